"""skalign apply: apply a stored map, in batches."""

from skalign.adaptation import DomainHarmonizer
from skalign.cli._aligners import load_map
from skalign.cli._files import naming, read_matrix
from skalign.cli._fit import read_domains
from skalign.cli._kinds import TABLES, InputError, require_package
from skalign.cli._output import format_of, writing_to
from skalign.cli._terminal import progress, say, use_threads_if_large
from skalign.cli._writers import write_rows

_BATCH_BYTES = 8 * 2**20


def run(options):
    aligner = load_map(options.map)
    width = aligner.n_features_in_
    source = read_matrix(options.source, options.id, once=True)
    if source.shape[1] != width:
        raise InputError(
            f"{options.source} has {source.shape[1]} columns, but the map was fitted "
            f"with {width}."
        )
    kind, domains = _output_kind(options, source), None
    if isinstance(aligner, DomainHarmonizer):
        if options.domains is None:
            raise InputError(f"{options.map} needs --domains, that of each row.")
        domains = read_domains(options.domains, len(source))
    elif options.domains is not None:
        raise InputError(f"{options.map} is a map without domains; omit --domains.")
    use_threads_if_large(options, source)
    step = max(1, _BATCH_BYTES // (8 * max(width, getattr(aligner, "n_targets_", 0))))
    mapped = _mapped(options, aligner, source, domains, step)
    ids, first = next(mapped)
    shape, names = (len(source), first.shape[1]), list(aligner.get_feature_names_out())
    ids_field = source.id_field if kind in TABLES else None
    columns = (names, ids_field, source.vector_name)
    with writing_to(options.output) as file:
        with write_rows(file, kind, shape, first, *columns) as write:
            write(ids, first)
            for ids, rows in mapped:
                write(ids, rows)
        if options.output != "-":
            say(f"{len(source):,} rows mapped: {options.output}")
    return 0


def _output_kind(options, source):
    default = source.kind if options.output == "-" else "npy"
    kind = format_of(options, default=default)
    require_package(kind, options.output)
    if kind not in TABLES and options.id is not None:
        raise InputError(
            f"{options.output} is .{kind}, which has no column for the identifiers of "
            "--id; write .csv, .parquet or .arrow."
        )
    return kind


def _mapped(options, aligner, source, domains, step):
    """Yield identifiers and mapped rows, batch by batch."""
    n_batches = -(-len(source) // step)
    due = progress("batches", total=n_batches)(source.batches(step))
    start = 0
    for ids, rows in due:
        stop = start + len(rows)
        known = {} if domains is None else {"sample_domain": domains[start:stop]}
        with naming(options.map, options.source):
            if hasattr(aligner, "feature_names_in_"):
                rows = source.named(rows)
            mapped = aligner.transform(rows, **known)
        yield ids, mapped
        start = stop
