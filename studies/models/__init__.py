"""What is trained on a task: recurrent models, one of torch's own layers or R side by side."""

from studies.models.architecture import MODELS, Architecture, RecurrentModel, architecture
from studies.models.lstm import State
from studies.models.taps import LinearMap, linear_maps
from studies.models.together import Together

__all__ = ["MODELS", "Architecture", "LinearMap", "RecurrentModel", "State", "Together", "architecture", "linear_maps"]
