"""What studies that train models on a task have in common: the task, the model, and the data for the workers."""

from functools import cached_property
from pathlib import Path

from studies.models import Architecture, architecture
from studies.planning.course import Course, Sizes
from studies.planning.study import Study
from studies.tasks import Task, Text, named_task, save_data


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

    def save_data(self, directory: Path) -> None:
        """Write the task's data, which workers map into their memory."""
        save_data(self.task, self.text, directory)
