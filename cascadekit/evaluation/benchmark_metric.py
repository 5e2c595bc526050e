"""What the registered metrics of benchmarks other than COCO have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from cascadekit.evaluation.figure_tables import figure_tables
from cascadekit.evaluation.metric_records import (
    FoundBoxes,
    PictureRecord,
    class_names,
    figures_by_stage,
    log_text,
    ordered,
    prediction_of,
    record_of,
    write_summary,
)

Scorer = Callable[[list[FoundBoxes]], Mapping[str, float]]


class BenchmarkMetric(BaseMetric):
    """A benchmark's own figures of the final detections and of each choice of stages.

    A subclass says what it keeps of a picture's annotation, and how all pictures are scored.

    Args:
        benchmark: its name, of tables and files; the standard prefix.
        stage_table: also score each entry of `Prediction.variants`.
        outfile_prefix: write PREFIX.BENCHMARK.json; None writes nothing.
        collect_device: "cpu" or "gpu", how processes exchange results.
        prefix: of the reported names.
    """

    def __init__(
        self,
        benchmark: str,
        stage_table: bool,
        outfile_prefix: str | None,
        collect_device: str,
        prefix: str | None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.benchmark = benchmark
        self.stage_table = stage_table
        self.outfile_prefix = outfile_prefix

    @abstractmethod
    def truth_of(self, sample: Mapping[str, Any]) -> Any:
        """What is kept of the annotation of one picture.

        Args:
            sample: data sample as a dict.

        Returns:
            Anything without tensors.

        Raises:
            InputError: the sample does not bring it.
        """

    @abstractmethod
    def scorer(self, truths: Sequence[Any], classes: Sequence[str]) -> Scorer:
        """How the pictures of a data set are scored.

        Args:
            truths: of all pictures, as of `truth_of`; may be empty.
            classes: K names in label order.

        Returns:
            Detections of each picture, in the same order -> name -> fraction, or nan.

        Raises:
            InputError: the benchmark cannot be had with these classes.
        """

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep annotations and detections of a batch, without tensors.

        Args:
            data_batch: not used.
            data_samples: data samples as dicts, with `prediction` and what `truth_of` wants.

        Raises:
            InputError: a sample lacks one of the two.
        """
        for sample in data_samples:
            prediction = prediction_of(sample, type(self).__name__)
            truth = self.truth_of(sample)
            self.results.append(record_of(prediction, truth, self.stage_table))

    def compute_metrics(self, results: Sequence[PictureRecord]) -> dict[str, float]:
        """Score the whole data set and log the tables.

        Args:
            results: one record per image, of all processes; may be empty.

        Returns:
            Names without `prefix` -> fractions, or nan.

        Raises:
            InputError: the data set names no classes or not those of the benchmark, two images
                share an id, or a label is beyond the classes.
        """
        records = ordered(results)
        classes = class_names(self.dataset_meta, type(self).__name__, records)
        score = self.scorer([record.truth for record in records], classes)
        figures = figures_by_stage(records, score)
        final = {key: value for key, value in figures.items() if not key.startswith("stage_")}
        log_text(figure_tables(self.benchmark, final))
        write_summary(self.outfile_prefix, self.benchmark, records, figures)
        return figures
