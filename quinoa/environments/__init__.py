"""Environments, made by name and brought into one canonical form for all agents."""

from quinoa.environments.batch import EnvironmentBatch
from quinoa.environments.batch_step import BatchStep
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
    MAX_SEED,
    check_name,
    draw_seeds,
    environment_spec,
    import_path,
    is_built_in,
    known_names,
    list_environments,
    make,
)
from quinoa.environments.toy_text import TabularModel, tabular_model

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
    "TabularModel",
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
    "tabular_model",
]
