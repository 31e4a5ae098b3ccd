"""Discovery of domains in samples, and cross-validation splits by domain."""

from skalign.domains._dependence import domain_dependence
from skalign.domains._leave_one_domain_out import LeaveOneDomainOut
from skalign.domains._partition import partition_domains
from skalign.domains._splits import OracleDomainSplit, TrainingDomainSplit

__all__ = [
    "LeaveOneDomainOut",
    "OracleDomainSplit",
    "TrainingDomainSplit",
    "domain_dependence",
    "partition_domains",
]
