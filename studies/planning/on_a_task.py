"""What studies that train models on a task have in common: the task, the model, and the data for the workers."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from studies.errors import one_of
from studies.models import Architecture, architecture
from studies.planning.course import Course, Sizes
from studies.planning.study import Cancelled, Study
from studies.tasks import TASKS, Task, Text, named_task, save_data
from studies.training.loop import LastTrainer, train_many
from studies.training.outcome import Outcome
from studies.training.schedule import Schedule
from studies.variants.variant import Variant


class StudyOnATask(Study):
    """A study whose cells train the model of a name on the task of a name; a synthetic task leaves the text aside.

    ``sizes`` stand in place of the task's and the model's own, ``course`` says how the rate goes over a run.
    """

    text: Text
    model: str
    task_name: str
    sizes: Sizes
    course: Course

    @cached_property
    def task(self) -> Task:
        """The task that every run is trained on."""
        return named_task(self.task_name, self.text, batch_size=self.sizes.batch_size, length=self.sizes.length)

    @cached_property
    def architecture(self) -> Architecture:
        """The model that every run trains."""
        return architecture(self.model, hidden=self.sizes.hidden, layers=self.sizes.layers)

    @property
    @abstractmethod
    def schedule(self) -> Schedule:
        """Length, learning rate and stopping rule of a run."""

    def save_data(self, directory: Path) -> None:
        """Write the task's data, which workers map into their memory."""
        save_data(self.task, self.text, directory)

    def train(
        self, variant: Variant, runs: Sequence[tuple[float, int]], cancelled: Cancelled, device: str
    ) -> list[Outcome]:
        """Train runs (learning rate, seed) of the variant side by side on the device."""
        return train_many(
            variant, runs, task=self.task, architecture=self.architecture, schedule=self.schedule, cancelled=cancelled,
            device=device, last=self._last,
        )  # fmt: skip

    @cached_property
    def _last(self) -> LastTrainer:
        """What the last runs were trained with."""
        return LastTrainer()

    def forget_memory(self) -> None:
        """Give back what is kept on the device for the next runs."""
        self._last.forget()


def text_for(task: str, text: Text) -> Text:
    """Return the text, or for a synthetic task an empty one of the task's name; `InputError` for an unknown task."""
    return Text(name=task, content="") if TASKS[one_of("task", task, TASKS)].synthetic else text
