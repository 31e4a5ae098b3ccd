"""Public names and where they are: read by type checkers, editors and `_lazy`."""

from skalign import (
    adaptation as adaptation,
    anchors as anchors,
    datasets as datasets,
    deep as deep,
    domains as domains,
    federated as federated,
    metrics as metrics,
    model_selection as model_selection,
    moments as moments,
    paired as paired,
    plotting as plotting,
    retrieval as retrieval,
    spaces as spaces,
    style as style,
    unpaired as unpaired,
)
from skalign._onnx import (
    register_onnx_converters as register_onnx_converters,
    to_onnx as to_onnx,
)
from skalign._storage import (
    load as load,
    save as save,
)
from skalign.adaptation import (
    DomainAdapter as DomainAdapter,
    DomainHarmonizer as DomainHarmonizer,
    LabeledOnly as LabeledOnly,
    make_adaptation_pipeline as make_adaptation_pipeline,
)
from skalign.deep import (
    ContrastiveAligner as ContrastiveAligner,
    MultiDomainClassifier as MultiDomainClassifier,
    NCFALClassifier as NCFALClassifier,
    StitchingRegressor as StitchingRegressor,
    to_torch as to_torch,
)
from skalign.model_selection import (
    AnchorSearchCV as AnchorSearchCV,
    StreamingSearchCV as StreamingSearchCV,
)
from skalign.paired import (
    AnchoredAligner as AnchoredAligner,
    CanonicalAligner as CanonicalAligner,
    KernelAligner as KernelAligner,
    LinearAligner as LinearAligner,
    RelativeRepresentation as RelativeRepresentation,
    RigidAligner as RigidAligner,
    RobustAligner as RobustAligner,
)
from skalign.retrieval import (
    AlignedRetriever as AlignedRetriever,
)
from skalign.spaces import (
    GeneralizedProcrustes as GeneralizedProcrustes,
)
from skalign.style import (
    StyleContentSplitter as StyleContentSplitter,
)
from skalign.unpaired import (
    ClassMeanAligner as ClassMeanAligner,
    CORALAligner as CORALAligner,
    GaussianOTAligner as GaussianOTAligner,
    ICPAligner as ICPAligner,
    MeanVarianceAligner as MeanVarianceAligner,
    MomentAligner as MomentAligner,
    OptimalTransportAligner as OptimalTransportAligner,
    SubspaceAligner as SubspaceAligner,
    TransferComponentAligner as TransferComponentAligner,
    WassersteinProcrustesAligner as WassersteinProcrustesAligner,
)

__version__: str
__all__: list[str]

def __dir__() -> list[str]: ...
