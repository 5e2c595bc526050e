# %% [markdown]
# # Proposals: where boxes come from, and why a strict detector starves
#
# **Why not simply train a detector with a high threshold *u*?** Because it learns from the boxes
# that a proposal network gives it, and few of these are that good. This notebook follows a picture
# through anchors and the proposal network (RPN), and counts what is left for each *u*.
#
# - **In the paper**: section 3 and the first panel of Figure 4; Table 8 for recall.
# - **Takes** about a minute on two CPU cores; the first run draws 250 pictures.
# - **Needs** nothing: no GPU, no download, no data.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
from dataclasses import replace

import numpy as np
import torch
from IPython.display import Markdown

import cascadekit
from cascadekit.apis import open_loader, read_picture
from cascadekit.structures.boxes import clip, iou
from cascadekit.structures.samples import image_infos
from cascadekit.visualization import canvas
from cascadekit.visualization.plots import LINE_COLORS

# %% tags=["parameters"]
BUDGET = "reader"
PICTURE = 32
PICTURES = 100
SEED = 0

# %%
if BUDGET == "smoke":
    PICTURES = 8
detector, config = cascadekit.load_shipped("cpu")
config.test_dataloader.update(num_workers=0, persistent_workers=False)
config.test_dataloader.dataset.indices = max(PICTURES, PICTURE + 1)
config.train_dataloader.dataset.num_images = PICTURES
loader = open_loader(config, "test")

# %% [markdown]
# ## Anchors
#
# A proposal network does not search. At every cell of its feature maps it has a few boxes of fixed
# sizes and shapes, the anchors, and asks of each: is there an object, and if so, how should the box
# change? Below are the anchors of one cell near the middle, for each level of the pyramid. A finer
# level has more cells and smaller anchors; the largest reach beyond the picture.

# %%
rpn = detector.rpn_head
sample = loader.dataset[PICTURE]
batch = {"inputs": [sample["inputs"]], "data_samples": [sample["data_samples"]]}
data = detector.data_preprocessor(batch)
(info,) = image_infos(data["data_samples"])
with torch.no_grad():
    output = rpn(detector.extract(data["inputs"]))
image = np.ascontiguousarray(read_picture(info))
truth = torch.tensor([own["bbox"] for own in sample["data_samples"].instances]).float()


# %%
def panels(titles, boxes, maps=(), around=0):
    """The picture once for each title, with boxes and the truth, or with a map of scores on it."""
    side = 1200 // len(titles)
    figure = canvas.new_figure(1200, side + 30)
    for k, title in enumerate(titles):
        canvas.write(figure, side * k + 4, 15, title, 16, bold=True)
        axes = canvas.add_panel(figure, image, (side * k + 2, 30, side - 4, side - 4), title)
        for own in boxes[k]:
            canvas.outline(axes, own, LINE_COLORS[1], 2 if len(boxes[k]) < 20 else 1)
        if maps:
            axes.imshow(maps[k], extent=(0, 192, 192, 0), alpha=0.65, vmin=0, vmax=1, cmap="magma")
        for own in truth.tolist():
            canvas.outline_truth(axes, own, 1.5)
        axes.set(xlim=(-around, 192 + around), ylim=(192 + around, -around), facecolor="#d8dee4")
    return figure


# %%
shown, titles = [], []
for (height, width), anchors, stride in zip(
    output.maps, output.anchors, rpn.anchors.strides, strict=True
):
    per_cell = len(anchors) // (height * width)
    cell = (height // 2) * width + width // 2
    shown.append(anchors[cell * per_cell : (cell + 1) * per_cell].tolist())
    titles.append(f"stride {stride}: {len(anchors)} anchors")
panels(titles, shown, around=64)

# %% [markdown]
# No anchor fits an object by chance. For every object of some pictures, here is the IoU of the best
# of all anchors, and how many anchors reach 0.5 and 0.7 with it.

# %%
anchors = clip(torch.cat(output.anchors), 192, 192)
objects = [loader.dataset.get_data_info(i)["instances"] for i in range(PICTURES)]
objects = torch.tensor([each["bbox"] for own in objects for each in own]).float()
overlaps = iou(anchors, objects)
best = overlaps.amax(0)
fitting = (overlaps >= 0.5).float().mean().item() * len(anchors)
Markdown(
    f"{len(objects)} objects, {len(anchors)} anchors in each picture. The best anchor of an object "
    f"has IoU {best.mean():.2f} on average. {(best >= 0.5).float().mean():.0%} of the objects have "
    f"one from 0.5 on, {(best >= 0.7).float().mean():.0%} one from 0.7 on. An object has "
    f"{fitting:.1f} anchors of 0.5 or more on average: the others are background to it."
)

# %% [markdown]
# ## Objectness, and moved anchors
#
# The network scores every anchor. Bright means: here is an object of about this size. The map shows
# the best score of the anchors of each cell.

# %%
maps = []
for (height, width), logits in zip(output.maps, output.logits, strict=True):
    maps.append(logits[0].sigmoid().reshape(height, width, -1).amax(2).numpy())
panels([f"objectness, stride {s}" for s in rpn.anchors.strides], [[]] * len(maps), maps)

# %% [markdown]
# Each anchor is then moved by the deltas that the network predicts for it. The best boxes stay;
# what overlaps a better one too much is dropped. What is left are the proposals. They come ranked:
# from left to right the best few, more, and all of them.

# %%
with torch.no_grad():
    proposals = rpn.propose(output, [info])
counts = (5, 30, len(proposals))
panels([f"the best {n}" for n in counts], [proposals.boxes[:n].tolist() for n in counts])

# %%
best = iou(proposals.boxes, truth).amax(1)
shares = {u: (best >= u).float().mean().item() for u in (0.5, 0.6, 0.7, 0.8)}
reaching = ", ".join(f"from {u:g} on {share:.0%}" for u, share in shares.items())
Markdown(
    f"{len(proposals)} proposals for {len(truth)} objects. IoU with the nearest object: {reaching}."
)

# %% [markdown]
# ## Do the proposals cover the objects?
#
# That is what a proposal network is made for, and usually judged by: recall. An object is recalled
# at an IoU if some proposal reaches it. The lines are for the boxes that enter each stage of the
# cascade, those that enter stage 1 are the proposals.

# %%
from cascadekit.quality.collect import record_samples, record_stages
from cascadekit.quality.proposal_recall import compute_proposal_recall, plot_proposal_recall

recording = record_stages(detector, loader, all_heads=False, limit=PICTURES)
recall = compute_proposal_recall(recording, limits=(100, 300))
plot_proposal_recall(recall)

# %%
lines = ["| recall | AR | at 0.5 | at 0.6 | at 0.7 | at 0.8 | at 0.9 |", "|---|" + "---:|" * 6]
for row in recall.rows:
    name = "leave the last stage" if row.name == "output" else f"enter {row.name}"
    cells = (row.average["AR300"], *row.single.values())
    lines.append(f"| {name} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")
Markdown("\n".join(lines))

# %% [markdown]
# Recall at 0.5 is nearly complete, and falls steeply at high IoU: most objects have a proposal, few
# have a *good* one. What has been refined by a stage is much better. The paper sees the same on
# COCO: the average recall of its proposals (AR, 1000 boxes) is 59.1 and becomes 70.7 with the boxes
# that stage 1 has refined (Table 8). Here there are 300 proposals in a picture, and objects are few
# and large, so the numbers are not the paper's. (Nothing is suppressed between stages, so the
# best-ranked boxes of later stages crowd around the easiest objects: with few boxes they can miss
# others.)
#
# ## What a detector gets to learn from
#
# Recall looks at the best proposal of each object. A detector is trained on *all* of them: of each
# picture some are drawn, at most a quarter of them positive, that is with an IoU of *u* or more.
# `record_samples` runs the training's own matching and sampling on training pictures and keeps what
# each stage would learn from. This is the first panel of Figure 4: the samples of stage 1 by their
# IoU.

# %%
from cascadekit.quality.iou_histograms import (
    compute_iou_histograms,
    iou_histograms_table,
    plot_iou_histograms,
)

samples = record_samples(detector, open_loader(config, "train"), seed=SEED)
histograms = compute_iou_histograms(samples)
first = replace(histograms, stages=histograms.stages[:1])
plot_iou_histograms(first)

# %%
Markdown(iou_histograms_table(first, paper=True).markdown())

# %% [markdown]
# The bars fall from left to right: most proposals that are good enough for 0.5 are just good
# enough. In the paper 16.7 % of the samples reach 0.5, 8.0 % reach 0.6, and 2.9 % are left for a
# detector with *u* = 0.7. Compare the first row with "paper, stage 1". Rows 2 and 3 of the paper
# are what its later stages get, to which we come in [notebook 03](03_cascade_stage_by_stage.ipynb).
#
# In numbers of examples, if only *u* were changed:

# %%
stage = first.stages[0]
lines = [
    "| u | share of samples | positives per picture | of those at 0.5 |",
    "|---|---:|---:|---:|",
]
for u, share in zip(first.thresholds, stage.shares, strict=True):
    kept = share / stage.shares[0]
    lines.append(f"| {u:g} | {share:.1%} | {share * stage.samples_per_image:.1f} | {kept:.0%} |")
Markdown("\n".join(lines))

# %% [markdown]
# So a strict detector starves: it has few positives, and overfits to them. In the paper's
# experiment (Figure 2 (c)) raising *u* alone gives 34.9 AP at 0.5, 35.4 at 0.6, and only 31.9 at
# 0.7. And a second trouble remains even with enough data: at test time such a detector meets the
# same loose proposals, and is not good at them. [Notebook 04](04_quality_mismatch.ipynb) trains
# such detectors to show both.
#
# ## Which threshold can these boxes bear?
#
# The same question for any *u*, and for the boxes of the later stages too. The dots are what the
# report would set for each stage of a cascade: *u* rises in equal steps up to 0.8 at most, and no
# further than where a fifth of the boxes are positive, about what the paper's stages have.

# %%
from cascadekit.quality.proposal_quality import (
    compute_proposal_quality,
    plot_proposal_quality,
    proposal_quality_findings,
)

quality = compute_proposal_quality(samples=samples)
plot_proposal_quality(quality)

# %%
Markdown("\n".join(f"- {finding}" for finding in proposal_quality_findings(quality)))

# %% [markdown]
# The lines of stages 2 and 3 lie far above that of stage 1: boxes that have been refined once bear
# a higher threshold than proposals do. That is the whole idea of the cascade. Raise *u* from stage
# to stage, as the boxes get better: refine, then ask for more.
#
# `cascadekit suggest` makes this report for a detector of yours, with the stages it would set.

# %%
at = dict(zip(first.thresholds, stage.shares, strict=True))
assert at[0.7] < 0.6 * at[0.5], f"positives should fall steeply with u: {at}"
later = [float(np.interp(0.7, quality.grid, curve.shares)) for curve in quality.curves]
assert later[1] > later[0], f"refined boxes should bear 0.7 better: {later}"
Markdown(
    f"Checked: from IoU 0.5 to 0.7 the share of positives falls from {at[0.5]:.1%} to "
    f"{at[0.7]:.1%} at stage 1; of the boxes that enter stage 2, {later[1]:.1%} reach 0.7."
)
