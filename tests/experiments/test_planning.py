"""Which runs and measurements experiments need, and in which order."""

from collections import Counter

import pytest

from cascadekit.experiments.arms import BENCHMARKS, load_arms
from cascadekit.experiments.data import data_set
from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.measures import MEASURES
from cascadekit.experiments.planning import (
    elsewhere,
    measuring_jobs,
    plan_runs,
    training_job,
    wishes,
)
from cascadekit.experiments.runs import PLAN, read_json
from tests.experiments.test_data import voc as voc  # a fixture

ARMS = load_arms()
SHAPES = data_set("shapes")


def wanted(names, *data):
    chosen = load_experiments(names)
    return wishes(chosen.values(), ARMS, data or (SHAPES,))


def runs_of(names, root, *data, seeds=1):
    return plan_runs(wanted(names, *data), ARMS, seeds, "smoke", root)


def labels(runs):
    return [f"{run.arm.name} {run.data.name} {run.seed}" for run in runs]


def test_shared_trainings_are_done_once(tmp_path):
    runs = runs_of(["table1", "table2", "table4"], tmp_path, seeds=2)
    count = Counter(labels(runs))
    assert max(count.values()) == 1
    # u05 (iterative BBox is the same), integral, cascade, and two and four stages
    assert {run.arm.name for run in runs} == {"u05", "integral", "cascade", "cascade2", "cascade4"}
    assert len(runs) == 10


def test_seed_0_of_everything_comes_first(tmp_path):
    seeds = [run.seed for run in runs_of(["table1", "table3"], tmp_path, seeds=3)]
    assert seeds == sorted(seeds)


def test_the_most_wanted_comes_first(tmp_path):
    assert runs_of(["table1", "table2", "table3"], tmp_path)[0].arm.name == "cascade"


def test_what_a_run_needs_comes_before(tmp_path):
    order = [run.arm.name for run in runs_of(["table7"], tmp_path)]
    assert order.index("u05") < order.index("fast") < len(order)
    job = training_job(runs_of(["suggestion"], tmp_path)[-1])
    assert len(job.needs) == 1 and job.needs[0].name == "record.json"


def test_photos_stand_for_the_cards(voc, tmp_path):
    photos = data_set(str(voc))
    assert labels(runs_of(["table11"], tmp_path, photos)) == [
        f"{name} photos 0" for name in ("roipool", "roipool_cascade", "rfcn", "rfcn_cascade")
    ]
    assert runs_of(["table11"], tmp_path, SHAPES) == []  # photos only
    assert runs_of(["table9"], tmp_path, photos) == []  # masks: drawn only


def test_benchmarks_are_trained_on_their_own_drawn_sets(tmp_path):
    drawn = data_set("drawn-kitti")
    assert labels(runs_of(["table12"], tmp_path, drawn)) == [
        "mscnn_kitti drawn-kitti 0",
        "mscnn_kitti_cascade drawn-kitti 0",
    ]
    assert runs_of(["table12"], tmp_path, SHAPES) == [] == runs_of(["table13"], tmp_path, drawn)
    assert runs_of(["table1", "table11"], tmp_path, drawn) == []  # no photos either
    (first, second) = jobs_of(["table12"], tmp_path, drawn)
    assert first.label == "benchmark of mscnn_kitti on drawn-kitti, seed 0"
    assert first.done[0] != second.done[0]


def test_what_the_chosen_data_are_not_for():
    chosen = load_experiments(["table1", "table11", "table12"])
    assert elsewhere(chosen.values(), [SHAPES]) == {
        "table11": ("cards",),
        "table12": ("drawn-kitti",),
    }
    both = [SHAPES, data_set("drawn-kitti")]
    assert elsewhere(chosen.values(), both) == {"table11": ("cards",)}


def test_detectors_that_are_no_arms_are_left_out():
    assert {wish.arm for wish in wanted(["cost"])} == {"u05", "cascade"}


def test_every_measure_that_an_experiment_reads_is_there():
    every = (SHAPES, *map(data_set, BENCHMARKS))
    read = {measure for wish in wanted(None, *every) for measure in wish.measures}
    assert read <= set(MEASURES) and len(read) >= 8


def jobs_of(names, root, *data, seeds=1, **more):
    return measuring_jobs(wanted(names, *data), ARMS, seeds, "smoke", root, **more)


def test_measures_of_an_arm_are_taken_together(tmp_path):
    jobs = [job.label.split(" of ") for job in jobs_of(["table1", "table8", "fig5"], tmp_path)]
    taken = {arm.split()[0]: set(measures.split(", ")) for measures, arm in jobs}
    assert taken == {
        "u05": {"scores", "recall"},
        "iterative": {"scores"},
        "integral": {"scores"},
        "cascade": {"scores", "recall", "samples"},
    }


def test_iterative_has_files_of_its_own_in_the_same_folder(tmp_path):
    jobs = {job.label: job for job in jobs_of(["table1"], tmp_path)}
    first = jobs["scores of u05 on shapes, seed 0"].done[0]
    second = jobs["scores of iterative on shapes, seed 0"].done[0]
    assert first.parent == second.parent and first != second


def test_swap_needs_the_cascade(tmp_path):
    (job, *_) = jobs_of(["fig7a"], tmp_path)
    assert len(set(job.needs)) == 2


def test_costs_are_taken_alone(tmp_path):
    jobs = jobs_of(["cost", "table1"], tmp_path)
    assert {job.label.split(" of ")[0] for job in jobs if job.alone} == {"cost"}


def test_only_some_measures(tmp_path):
    jobs = jobs_of(["table1", "table8"], tmp_path, only=["recall"])
    assert all(job.label.startswith("recall") for job in jobs) and len(jobs) == 2


def test_other_test_pictures_are_another_file(voc, tmp_path):
    before = jobs_of(["table11"], tmp_path, data_set(str(voc)))[0].done
    with (voc / "test" / "c.jpg").open("ab") as picture:
        picture.write(b"more")
    after = jobs_of(["table11"], tmp_path, data_set(str(voc)))[0].done
    assert before[0].parent == after[0].parent and before != after


def test_a_training_job_writes_its_plan(tmp_path):
    (run, *_) = runs_of(["table2"], tmp_path)
    job = training_job(run)
    assert not job.is_done() and job.weight == pytest.approx(2 / 300)
    job.prepare()
    assert read_json(run.folder / PLAN)["address"] == run.address
