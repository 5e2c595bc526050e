# %% [markdown]
# # Boxes, IoU and what "quality" means
#
# **When is a box right?** A detector is trained and judged by a number, IoU, and by a threshold on
# that number. This notebook shows what IoU means in pixels, how a box is moved by a regressor, what
# a detector's threshold *u* makes it learn, and why one AP number hides the quality of boxes.
#
# - **In the paper**: section 3 (quality of a hypothesis, quality of a detector), Table 2.
# - **Takes** about a minute on two CPU cores.
# - **Needs** nothing: no GPU, no download, no data.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import numpy as np
import torch
from IPython.display import Markdown

import cascadekit
from cascadekit.datasets.shapes import draw_scene
from cascadekit.structures.boxes import iou
from cascadekit.visualization import canvas
from cascadekit.visualization.plots import LINE_COLORS, add_legend, new_plots

# %% tags=["parameters"]
BUDGET = "reader"
PICTURE = 19
PICTURES = 60
SEED = 0

# %%
if BUDGET == "smoke":
    PICTURES = 6

# %% [markdown]
# ## One number for how well a box fits
#
# IoU is the area that two boxes share, divided by the area that they cover together. Take a box of
# 100 x 100 pixels and move it 25 pixels to the right. They share 75 x 100 pixels and cover 125 x
# 100, so the IoU is 75 / 125 = 0.6.

# %%
square = torch.tensor([[0.0, 0.0, 100.0, 100.0]])  # x1, y1, x2, y2 in pixels
shifted = square + torch.tensor([25.0, 0.0, 25.0, 0.0])
print(f"IoU {iou(square, shifted).item():.2f}")

# %% [markdown]
# Here is how different values look. The dashed box is the truth about one object, the coloured one
# has been moved along the diagonal until it has the IoU that is written above it. The shaded parts
# are in only one of the two.


# %%
def panels(image, window, titles, boxes, truth):
    """One panel for each title: a part of the picture with some boxes, and the truth dashed."""
    side = 1200 // len(titles)
    figure = canvas.new_figure(1200, side + 30)
    for k, (title, own) in enumerate(zip(titles, boxes, strict=True)):
        canvas.write(figure, side * k + 4, 15, title, 16, bold=True)
        axes = canvas.add_panel(figure, image, (side * k + 2, 30, side - 4, side - 4), title)
        axes.set(xlim=(window[0], window[2]), ylim=(window[3], window[1]))
        for each in own:
            canvas.outline(axes, each, LINE_COLORS[1], 1.5 if len(own) > 1 else 3)
            if len(own) == 1:
                canvas.fill_difference(axes, each, truth[0], LINE_COLORS[1])
        for each in truth:
            canvas.outline_truth(axes, each, 1.5)
    return figure


# %%
scene = draw_scene("val", PICTURE)
image, truth = np.ascontiguousarray(scene.image[:, :, ::-1]), torch.tensor(scene.boxes).float()
size = truth[:, 2:] - truth[:, :2]
one = truth[size.prod(1).argmax()]  # the largest object
side = one[2:] - one[:2]
# Moved by a share s of both sides: IoU = (1 - s)^2 / (2 - (1 - s)^2), solved for s.
shares = [1 - (2 * u / (1 + u)) ** 0.5 for u in (0.5, 0.6, 0.7, 0.8, 0.9)]
boxes = [one - s * torch.cat([side, side]) for s in shares]
titles = [f"IoU {iou(moved[None], one[None]).item():.2f}" for moved in boxes]
middle, half = (one[:2] + one[2:]) / 2 - side.max() / 10, 0.75 * float(side.max())
window = [*(middle - half).tolist(), *(middle + half).tolist()]
panels(image, window, titles, [[moved.tolist()] for moved in boxes], [one.tolist()])

# %% [markdown]
# At 0.5 a person would call the box wrong. Benchmarks have long called it right: PASCAL VOC counts
# a detection from IoU 0.5 on. At 0.9 there is hardly anything left to complain about.
#
# ## What a pixel costs
#
# A box of side *a* that is off by *d* pixels in one direction has IoU (a - d) / (a + d). The same
# error costs a small object much more.

# %%
figure, (axes,) = new_plots(
    ["IoU of a box that is off in one direction"], "pixels", "IoU", (560, 360)
)
shifts = np.linspace(0, 20, 81)
for side, color in zip((20, 40, 80, 160), LINE_COLORS, strict=False):
    known = shifts < side
    axes.plot(shifts[known], ((side - shifts) / (side + shifts))[known], color=color)
    axes.lines[-1].set(label=f"object of {side} pixels", linewidth=2)
for u in (0.5, 0.7, 0.9):
    axes.axhline(u, color=canvas.QUIET, linewidth=1, linestyle=":")
axes.set(xlim=(0, 20), ylim=(0, 1))
add_legend(axes, "lower left")
figure

# %%
rows = [f"| {u:g} | {100 * (1 - u) / (1 + u):.0f} |" for u in (0.5, 0.6, 0.7, 0.8, 0.9)]
head = "| IoU at least | pixels that an object of 100 pixels may be off |\n|---|---:|\n"
Markdown(head + "\n".join(rows))

# %% [markdown]
# ## Moving a box: deltas
#
# A regressor does not predict pixels. It predicts four numbers without a unit: how far the centre
# has to move, in widths and heights of the box, and by which factor (as a logarithm) width and
# height have to change. So a small and a large object that are off in the same way have the same
# deltas.

# %%
from cascadekit.registry import TASK_UTILS

coder = TASK_UTILS.build(dict(type="cascadekit.DeltaCoder", stds=(1.0, 1.0, 1.0, 1.0)))
small = coder.encode(torch.tensor([[0.0, 0, 20, 20]]), torch.tensor([[4.0, 0, 24, 30]]))
large = coder.encode(torch.tensor([[0.0, 0, 200, 200]]), torch.tensor([[40.0, 0, 240, 300]]))
print("20 pixels:  dx {:.2f}  dy {:.2f}  dw {:.2f}  dh {:.2f}".format(*small[0]))
print("200 pixels: dx {:.2f}  dy {:.2f}  dw {:.2f}  dh {:.2f}".format(*large[0]))

# %% [markdown]
# What a regressor has to learn depends on how good its boxes are. To see it, we disturb a box at
# random many times, keep the boxes that reach an IoU, and look at the spread of their deltas.

# %%
generator = torch.Generator().manual_seed(SEED)
target = torch.tensor([[0.0, 0.0, 100.0, 100.0]]).expand(200_000, 4)
noisy = target + 100 * (torch.rand(target.shape, generator=generator) - 0.5) * 0.8
noisy = noisy[(noisy[:, 2:] > noisy[:, :2] + 1).all(1)]
ious = iou(noisy, target[:1])[:, 0]
lines = ["| IoU at least | dx | dy | dw | dh |", "|---|---:|---:|---:|---:|"]
for u in (0.5, 0.6, 0.7, 0.8):
    spread = coder.encode(noisy[ious >= u], target[: int((ious >= u).sum())]).std(0)
    lines.append(f"| {u:g} | " + " | ".join(f"{value:.3f}" for value in spread) + " |")
Markdown("**Standard deviation of deltas**\n\n" + "\n".join(lines))

# %% [markdown]
# The better the boxes, the smaller the deltas that are left. A regressor trained on boxes from IoU
# 0.5 on hardly sees the small corrections that a box of IoU 0.8 needs. The cascade therefore has a
# regressor for each stage, and divides its deltas by smaller constants: (0.1, 0.1, 0.2, 0.2) at
# stage 1, half of that at stage 2, a third at stage 3. In [notebook
# 03](03_cascade_stage_by_stage.ipynb) we measure them.
#
# ## What a threshold *u* makes of the same boxes
#
# In training, a box whose IoU with an object is at least *u* becomes an example of that object; the
# others become background. *u* is the detector's own idea of "close". Below are the proposals of
# the shipped model for one picture, those that are examples at each *u*.

# %%
detector, config = cascadekit.load_shipped("cpu")
(prediction,) = cascadekit.predict(detector, [image])
proposals = prediction.stages[0].input_boxes
best = iou(proposals, truth).amax(1)
chosen = [proposals[best >= u].tolist() for u in (0.5, 0.6, 0.7)]
titles = [
    f"u = {u:g}: {len(own)} of {len(best)}" for u, own in zip((0.5, 0.6, 0.7), chosen, strict=True)
]
panels(image, (0, 0, 192, 192), titles, chosen, truth.tolist())

# %% [markdown]
# From left to right the examples get tighter, and fewer. A detector with *u* = 0.5 learns that all
# the boxes on the left are right, and so answers with boxes like them: the paper calls them "close
# but not correct". A detector with *u* = 0.7 is taught better, but has little to learn from. This
# is the dilemma that the paper starts from, and the subject of [notebook 02](02_proposals.ipynb).
#
# ## AP, by threshold
#
# Average precision needs a threshold too: which detections count as right. To see what that does,
# here are three detectors that we make up from the truth. One finds everything and is off by some 4
# % of an object's size. One is off by 12 %. One is exact to 2 %, but misses every third object.

# %%
scenes = [draw_scene("val", index) for index in range(PICTURES)]
ground_truth = {
    "images": [{"id": i, "height": 192, "width": 192} for i in range(PICTURES)],
    "categories": [{"id": k, "name": name} for k, name in enumerate(detector.classes)],
    "annotations": [
        {"image_id": i, "category_id": int(k), "bbox": [x1, y1, x2 - x1, y2 - y1], "area": 1}
        for i, one in enumerate(scenes)
        for k, (x1, y1, x2, y2) in zip(one.labels, one.boxes.tolist(), strict=True)
    ],
}


# %%
def made_up(error, missed, rng):
    """COCO results: the truth with every side off by a share of the object's size."""
    results = []
    for true in ground_truth["annotations"]:
        x, y, w, h = true["bbox"]
        off = rng.normal(0, error, 4) * (w, h, w, h)
        if rng.uniform() >= missed:
            box = [x + off[0], y + off[1], max(w + off[2] - off[0], 1), max(h + off[3] - off[1], 1)]
            kept = {key: true[key] for key in ("image_id", "category_id")}
            results.append({**kept, "bbox": box, "score": rng.uniform()})
    return results


# %%
from cascadekit.quality.ap_curves import compute_ap_curves, plot_ap_curves

rng = np.random.default_rng(SEED)
settings = {"off by 4 %": (0.04, 0), "off by 12 %": (0.12, 0), "2 %, misses a third": (0.02, 1 / 3)}
detectors = {name: (ground_truth, made_up(*s, rng)) for name, s in settings.items()}
made = compute_ap_curves(detectors, rounds=0)
plot_ap_curves(made, "Detectors made up from the truth")

# %%
lines = ["| | AP50 | AP75 | AP90 | AP |", "|---|---:|---:|---:|---:|"]
for curve in made.curves:
    cells = [f"{100 * curve.ap[name]:.1f}" for name in ("AP50", "AP75", "AP90", "AP")]
    lines.append(f"| {curve.name} | {' | '.join(cells)} |")
Markdown("\n".join(lines))

# %% [markdown]
# At IoU 0.5 the loose detector is nearly as good as the tight one, and far better than the one that
# misses things. At 0.9 the one that misses things is by far the best, and the loose one has nothing
# left. COCO's AP is the mean over ten thresholds, 0.5 to 0.95, and so mixes both. To see the
# quality of boxes, look at the whole curve, or at least at AP75 and AP90.
#
# ## A real detector, and what a cascade changes
#
# Now the shipped model on pictures it has not seen. Its stage 1 alone is an ordinary detector with
# *u* = 0.5; the cascade's answer uses all three stages. The shaded band says how much the curve
# would move with other pictures (95 %).

# %%
from cascadekit.apis import open_loader
from cascadekit.quality.ap_curves import choices_of
from cascadekit.quality.collect import record_stages

config.test_dataloader.update(num_workers=0, persistent_workers=False)
config.test_dataloader.dataset.indices = PICTURES
recording = record_stages(detector, open_loader(config), all_heads=False)
choices = choices_of(recording, {"1": "stage 1 alone", recording.final: "the cascade"})
real = compute_ap_curves(choices, rounds=200)
plot_ap_curves(real, f"The shipped model on {PICTURES} pictures")

# %%
paper = {
    "stage 1 alone": (57.2, 44.1, 30.5, 8.1, 35.5),
    "the cascade": (57.8, 46.9, 35.8, 15.8, 38.9),
}
names = ("AP50", "AP70", "AP80", "AP90", "AP")
lines = [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
for curve in real.curves:
    ours = [f"{100 * curve.ap[name]:.1f}" for name in names]
    lines.append(f"| {curve.name}, here | {' | '.join(ours)} |")
for name, numbers in paper.items():
    lines.append(f"| {name}, paper (Table 2, COCO) | {' | '.join(map(str, numbers))} |")
Markdown("\n".join(lines))

# %% [markdown]
# The numbers cannot be compared down the column: one is a small model on drawn shapes, the other a
# ResNet-50 on COCO. Their pattern can. At IoU 0.5 the two ways of reading the same network differ
# little; the higher the threshold, the more the cascade gains. That is what "high quality
# detection" means in the paper's title.

# %%
one, whole = (curve.ap for curve in real.curves)
gains = {name: 100 * (whole[name] - one[name]) for name in names}
assert abs(iou(square, shifted).item() - 0.6) < 1e-6, "the example worked out by hand"
assert made.curves[1].ap["AP50"] > made.curves[2].ap["AP50"], "loose beats incomplete at 0.5"
assert made.curves[1].ap["AP90"] < made.curves[2].ap["AP90"], "and loses at 0.9"
assert gains["AP80"] > gains["AP50"], f"the cascade should gain most at high IoU: {gains}"
Markdown(
    f"Checked: the cascade gains {gains['AP50']:+.1f} at IoU 0.5, {gains['AP80']:+.1f} at 0.8."
)
