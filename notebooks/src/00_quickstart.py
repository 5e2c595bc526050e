# %% [markdown]
# # Quickstart: watch a cascade tighten boxes
#
# **What does Cascade R-CNN do to a box between the first guess and the answer?** This notebook
# loads the small trained model that comes with the package, detects shapes in pictures that are
# drawn on the spot, and follows each box through the stages.
#
# - **In the paper** (Cai and Vasconcelos, *Cascade R-CNN: High Quality Object Detection and
#   Instance Segmentation*): section 4, Figure 3.
# - **Takes** well under a minute on two CPU cores.
# - **Needs** nothing: no GPU, no download, no data.
#
# You can read it as it is. To run it, `make lab` in the repository opens it in JupyterLab.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
from pathlib import Path

import numpy as np
import torch
from IPython.display import Markdown

import cascadekit
from cascadekit.datasets.shapes import draw_scene
from cascadekit.structures.samples import Targets
from cascadekit.visualization import StageViewer, draw_detections, draw_stages
from cascadekit.visualization.story import tell_story

# %% [markdown]
# What you may change: the numbers of the pictures to look at, how many pictures the averages are
# taken over, and the score from which on a detection counts.

# %% tags=["parameters"]
BUDGET = "reader"
SHOWN = [19, 41]
PICTURES = 40
SCORE = 0.5

# %%
if BUDGET == "smoke":
    SHOWN, PICTURES = SHOWN[:1], 4
FOLDER = Path("../work_dirs/notebooks/00_quickstart")

# %% [markdown]
# ## A model and some pictures
#
# `load_shipped` gives a detector, ready to predict, and the config it was trained with. It is a
# Cascade Mask R-CNN with a small backbone and three box stages, trained on *Shapes*: six classes of
# overlapping, turned shapes whose outermost tips fade into the background. What a shape is can be
# seen at a glance. Where exactly it ends is hard to say, and that is what a cascade is for.

# %%
detector, config = cascadekit.load_shipped("cpu")
CLASSES = detector.classes
size = sum(p.numel() for p in detector.parameters()) / 1e6
stages = ", ".join(f"{u:g}" for u in config.model.roi_head.stage_ious)
Markdown(
    f"{size:.1f} million parameters; classes: {', '.join(CLASSES)}. "
    f"Its stages were trained at IoU {stages}."
)

# %% [markdown]
# `draw_scene` draws a picture and knows the truth about it. The validation pictures are others than
# those the model was trained on. The two that are shown were chosen because they are easy to read;
# the averages further down are over all of the first ones.


# %%
def picture_and_truth(index):
    """A drawn picture (H, W, 3) RGB, and the boxes and labels of its objects."""
    scene = draw_scene("val", index)
    boxes = torch.from_numpy(scene.boxes).float()
    truth = Targets(boxes, torch.from_numpy(scene.labels), ignored_boxes=torch.zeros(0, 4))
    return np.ascontiguousarray(scene.image[:, :, ::-1]), truth


# %% [markdown]
# ## Detect
#
# `predict` takes pictures (arrays, or names of files) one after the other. A prediction holds the
# detections, and the trace of every stage.

# %%
images, truths = zip(*map(picture_and_truth, SHOWN), strict=True)
predictions = list(cascadekit.predict(detector, images))
draw_detections(images[0], predictions[0].detections, CLASSES, SCORE, size=600)

# %%
found = predictions[0].detections
table = found.to_pandas(CLASSES)[found.scores.numpy() >= SCORE].round(2)
table.astype({side: int for side in ("x1", "y1", "x2", "y2")})  # whole pixels are enough to read

# %% [markdown]
# `to_coco()` and `to_supervision()` hand the same detections, with their masks, to other tools.
#
# ## Follow a box through the stages
#
# Move the slider. *Proposals* are the boxes that the proposal network guessed, before any stage has
# looked at them. Each stage then takes the boxes of the one before it, looks again at what is
# inside, and moves their sides. Pick an object to see its numbers: the overlap with the truth (IoU,
# 1 is a perfect box), how far the box moved, and what each stage takes the object for.
#
# In a notebook that is only read, and not run, this shows a still picture of all stages.

# %%
viewer = StageViewer(images[0], predictions[0], truths[0], CLASSES, SCORE, width=384)
viewer.object.value = 0  # the detection with the best score
viewer

# %% [markdown]
# Side by side, for the other picture. Under each panel stands the mean IoU of the detections with
# the truth; the lower row enlarges the object that gained most. What is shaded lies in the box or
# in the truth, but not in both.

# %%
draw_stages(images[-1], predictions[-1], truths[-1], CLASSES, SCORE, width=960)

# %% [markdown]
# The viewer also works without Jupyter: `to_html` writes one file that any browser opens, with the
# slider and without a network.

# %%
viewer.to_html(FOLDER / "viewer.html")
print(f"viewer.html: {(FOLDER / 'viewer.html').stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# ## Is that so on other pictures?
#
# One picture proves nothing, so here is the average over more of them. For each detection whose
# object is known we take the IoU of its box with the truth at every stage, and count how many boxes
# are good (0.75 or more) and very good (0.9 or more).

# %%
images, truths = zip(*map(picture_and_truth, range(PICTURES)), strict=True)
predictions = cascadekit.predict(detector, images)
stories = [
    tell_story(prediction, truth, CLASSES, SCORE, max_detections=100)
    for prediction, truth in zip(predictions, truths, strict=True)
]
ious = torch.cat([story.ious[:, story.known] for story in stories], 1)  # (S + 1, objects)

# %%
names = ["proposals", *(f"stage {k}" for k in range(1, len(ious)))]
lines = [
    f"| {name} | {own.mean():.3f} | {(own >= 0.75).float().mean():.0%} "
    f"| {(own >= 0.9).float().mean():.0%} |"
    for name, own in zip(names, ious, strict=True)
]
head = f"| {ious.shape[1]} detections in {PICTURES} pictures | mean IoU | IoU ≥ 0.75 | IoU ≥ 0.9 |"
Markdown("\n".join([head, "|---|---:|---:|---:|", *lines]))

# %% [markdown]
# Look down the columns: the first stage does most of the work, and the share of very good boxes
# goes on rising after it. The paper finds the same on COCO with a large model (Table 2): stage 1
# alone has 8.1 AP at IoU 0.9 and stage 3 has 15.9, while at IoU 0.5 they hardly differ (57.2 and
# 56.6). AP is another measure than ours here: it also counts what was missed and what is not there.
#
# ## Go on
#
# - [01 Boxes and quality](01_boxes_and_quality.ipynb): what IoU is, and what "quality" means.
# - [02 Proposals](02_proposals.ipynb): where the first boxes come from, and why a strict detector
#   starves on them.
# - [03 The cascade, stage by stage](03_cascade_stage_by_stage.ipynb): why it works.
# - [07 Train on your own data](07_train_your_data.ipynb): this model knows drawn shapes only.
#
# The last cell of each notebook checks what it has shown.

# %%
first, last = ious[0].mean(), ious[-1].mean()
assert last > first + 0.05, f"boxes should tighten: mean IoU {first:.3f} -> {last:.3f}"
assert (FOLDER / "viewer.html").is_file()
Markdown(f"Checked: mean IoU went from {first:.2f} (proposals) to {last:.2f} (last stage).")
