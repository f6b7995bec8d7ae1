"""Environments by name, in one form for every agent."""

from quinoa.environments.batch import BatchStep, EnvironmentBatch
from quinoa.environments.canonical import CanonicalEnvironment
from quinoa.environments.errors import (
    EnvironmentFault,
    FaultKind,
    InvalidEnvironmentError,
    NotRenderableError,
    TooManyFaultsError,
    UnknownEnvironmentError,
)
from quinoa.environments.layout import Layout
from quinoa.environments.registry import (
    check_name,
    environment_spec,
    import_path,
    is_built_in,
    known_names,
    list_environments,
    make,
)
from quinoa.environments.seeds import MAX_SEED, draw_seeds

__all__ = [
    "MAX_SEED",
    "BatchStep",
    "CanonicalEnvironment",
    "EnvironmentBatch",
    "EnvironmentFault",
    "FaultKind",
    "InvalidEnvironmentError",
    "Layout",
    "NotRenderableError",
    "TooManyFaultsError",
    "UnknownEnvironmentError",
    "check_name",
    "draw_seeds",
    "environment_spec",
    "import_path",
    "is_built_in",
    "known_names",
    "list_environments",
    "make",
]
