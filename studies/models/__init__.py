"""What is trained on a task: recurrent models, one of torch's own layers or R side by side."""

from studies.models.architecture import MODELS, Architecture, RecurrentModel, architecture
from studies.models.batched import BatchedModel
from studies.models.linear_maps import LinearMap, linear_maps
from studies.models.lstm import State

__all__ = [
    "MODELS",
    "Architecture",
    "BatchedModel",
    "LinearMap",
    "RecurrentModel",
    "State",
    "architecture",
    "linear_maps",
]
