# %% [markdown]
# # The cascade, stage by stage
#
# **Why does a sequence of detectors work where one strict detector fails?** Each stage refines the
# boxes for the next one, so that every stage has enough good examples for its own, higher
# threshold. This notebook opens a trained cascade and looks at the three things that make it work:
# boxes get better, positives do not run out, and what is left to correct gets smaller.
#
# - **In the paper**: section 4, Figures 4, 5, 8 and 9 (a), Table 2.
# - **Takes** about two minutes on two CPU cores; the first run draws 250 pictures.
# - **Needs** nothing: no GPU, no download, no data.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import torch
from IPython.display import Markdown

import cascadekit
from cascadekit.apis import open_loader, read_picture
from cascadekit.quality.collect import record_samples, record_stages
from cascadekit.structures.boxes import iou
from cascadekit.structures.samples import Targets
from cascadekit.visualization import StageViewer, draw_stages

# %% tags=["parameters"]
BUDGET = "reader"
PICTURE = 7
PICTURES = 100
ROUNDS = 200
SEED = 0

# %%
if BUDGET == "smoke":
    PICTURES, ROUNDS = 8, 20
detector, config = cascadekit.load_shipped("cpu")
config.test_dataloader.update(num_workers=0, persistent_workers=False)
config.test_dataloader.dataset.indices = max(PICTURES, PICTURE + 1)
config.train_dataloader.dataset.num_images = PICTURES
loader = open_loader(config, "test")

# %% [markdown]
# ## One loop
#
# A stage is a small head: it looks at the features inside each box, says what is in it, and moves
# it. The cascade is a loop over stages, each with weights and a threshold *u* of its own:
#
# ```text
# boxes = proposals
# for stage in 1, 2, 3:
#     features = what the pyramid shows inside the boxes
#     scores, deltas = head[stage](features)
#     boxes = move(boxes, deltas)
# ```
#
# Nothing else travels from stage to stage than the boxes. Here is one picture. Move the slider, and
# pick an object to see how its box, its scores and its IoU change.

# %%
record = loader.dataset.get_data_info(PICTURE)
boxes = torch.tensor([each["bbox"] for each in record["instances"]]).float()
labels = torch.tensor([each["label"] for each in record["instances"]])
truth = Targets(boxes, labels, ignored_boxes=torch.zeros(0, 4))
(prediction,) = cascadekit.predict(detector, [record["img_path"]])
image = read_picture(prediction.info).copy()
viewer = StageViewer(image, prediction, truth, detector.classes, 0.5, width=384)
viewer.object.value = 0
viewer

# %%
draw_stages(image, prediction, truth, detector.classes, 0.5, width=960)

# %% [markdown]
# Every box takes this way, not only those that end as detections. For all boxes of this picture
# that begin with an IoU of 0.5 or more with an object, the mean IoU before and after each stage:

# %%
trace = prediction.stages
overlap, nearest = iou(trace[0].input_boxes, boxes).max(1)
kept = overlap >= 0.5
ways = [trace[0].input_boxes[kept], *(stage.output_boxes[kept] for stage in trace)]
means = [iou(way, boxes)[range(len(way)), nearest[kept]].mean().item() for way in ways]
names = ["proposals", *(f"after stage {k + 1}" for k in range(len(trace)))]
Markdown(
    f"{int(kept.sum())} boxes: "
    + ", ".join(f"{name} {mean:.3f}" for name, mean in zip(names, means, strict=True))
)

# %% [markdown]
# ## Each stage makes boxes better
#
# In a single picture a stage may well lose a little. So now for many pictures: `record_stages` runs
# the detector as in inference and keeps what every stage did. The plot shows, for boxes that enter
# a stage with a given IoU, the mean IoU with which they leave it; the bars below count them. Above
# the grey diagonal a stage helps; below, it does harm. The tick on the diagonal marks where that
# begins.

# %%
from cascadekit.quality.localisation import compute_localisation, plot_localisation

recording = record_stages(detector, loader, limit=PICTURES)
localisation = compute_localisation(recording, most=0.975)
plot_localisation(localisation, "Boxes before and after each stage")

# %%
from cascadekit.quality.localisation import localisation_findings

Markdown("\n".join(f"- {finding}" for finding in localisation_findings(localisation)))

# %% [markdown]
# A regressor is best near the quality it was trained for. Stage 1, trained on boxes from 0.5 on,
# moves loose boxes a lot and spoils good ones. Stages 2 and 3, trained at higher *u*, leave good
# boxes better off. Figure 9 (a) of the paper shows the same for its first and third stage. It also
# shows the obvious alternative, stage 1's regressor applied three times ("iterative BBox"), which
# does not work for this reason; [notebook 05](05_rivals.ipynb) tries it.
#
# ## Positives do not run out
#
# [Notebook 02](02_proposals.ipynb) showed how few proposals reach a high IoU. Now the training
# samples of all three stages. Each stage is trained on the boxes that the stage before it has
# refined, matched anew at its own *u*: the paper calls the cascade a *resampling* of the training
# data.

# %%
from cascadekit.quality.iou_histograms import (
    compute_iou_histograms,
    iou_histograms_findings,
    iou_histograms_table,
    plot_iou_histograms,
)

samples = record_samples(detector, open_loader(config, "train"), seed=SEED)
histograms = compute_iou_histograms(samples)
plot_iou_histograms(histograms)

# %%
Markdown(iou_histograms_table(histograms, paper=True).markdown())

# %%
Markdown("\n".join(f"- {finding}" for finding in iou_histograms_findings(histograms)))

# %% [markdown]
# Compare the last share of each row (">= u") with the paper's: there it stays near a fifth although
# *u* rises from 0.5 to 0.7. The bars show why: with every stage the mass moves to the right. These
# pictures are the ones that the model was trained on, as in the paper's figure, and there are fewer
# and larger objects than on COCO; so the percentages are not the same, but they should not
# collapse.
#
# ## What is left to correct gets smaller
#
# Better boxes have smaller errors. The clouds are the deltas that each stage's regressor has to
# learn, position above and size below; red points are boxes that fail the stage's *u* and are left
# out of its regression. The dashed ellipse marks two of the standard deviations that the stage
# divides by.

# %%
from cascadekit.quality.delta_statistics import (
    compute_delta_statistics,
    delta_statistics_findings,
    delta_statistics_table,
    plot_delta_statistics,
)

deltas = compute_delta_statistics(samples, max_points=500)
plot_delta_statistics(deltas)

# %%
Markdown(delta_statistics_table(deltas, paper=True).markdown())

# %%
Markdown("\n".join(f"- {finding}" for finding in delta_statistics_findings(deltas)))

# %% [markdown]
# In the paper the spread of dx goes from 0.123 at stage 1 to 0.061 and 0.039: about half, and a
# third. So the constants that normalise the deltas are (0.1, 0.1, 0.2, 0.2), a half and a third of
# that. This is one of the two reasons why stages need weights of their own. Part of the shrinking
# comes from the cut alone, since good boxes are what is kept; the findings say how much, which the
# paper does not.
#
# ## Every head on every stage's boxes
#
# A recording with all heads lets us ask what would be if head 3 had to work on the proposals, or
# head 1 on the boxes of stage 3. Rows are whose boxes, columns whose scores; the detector's own
# pairs are framed. The colours of each map have their own scale.

# %%
from cascadekit.quality.stage_matrix import (
    compute_stage_matrix,
    plot_head_curves,
    plot_stage_matrix,
    stage_choices_table,
    stage_matrix_findings,
)

matrix = compute_stage_matrix(recording, rounds=ROUNDS)
plot_stage_matrix(matrix)

# %%
plot_head_curves(matrix)

# %% [markdown]
# Read down a column: a head gets better with better boxes. The strict head on loose boxes (top
# right) is the detector of notebook 02 at test time: it has never learned to judge such boxes. This
# is Figure 8 of the paper, where head 3 goes from 25.6 AP on stage 1's boxes to 38.3 on those of
# stage 3.
#
# ## The answer, and what each stage adds
#
# The detector's answer averages the scores of all three heads on the boxes of the last stage
# ("1~3"). The paper's Table 2 lists the stages alone and the averages.

# %%
Markdown(stage_choices_table(matrix).markdown())

# %%
paper = {
    "stage 1": (35.5, 57.2, 52.4, 44.1, 30.5, 8.1),
    "stage 2": (38.3, 57.9, 53.4, 46.4, 35.2, 14.2),
    "stage 3": (38.3, 56.6, 52.2, 46.3, 35.7, 15.9),
    "stages 1~2": (38.5, 58.2, 53.8, 46.7, 35.0, 14.0),
    "stages 1~3": (38.9, 57.8, 53.4, 46.9, 35.8, 15.8),
}
lines = ["| paper, COCO | AP | AP50 | AP60 | AP70 | AP80 | AP90 |", "|---|" + "---:|" * 6]
lines += [f"| {name} | " + " | ".join(map(str, row)) + " |" for name, row in paper.items()]
Markdown("\n".join(lines))

# %%
Markdown("\n".join(f"- {finding}" for finding in stage_matrix_findings(matrix)))

# %% [markdown]
# Where the two tables agree is the pattern: the second stage adds much, the third little and mainly
# at the highest IoU, and the average is the best or close to it. Where they differ, remember what
# this is: one small model, trained for half an hour on drawn shapes, seen on a hundred pictures.
# The intervals say how much other pictures would move the numbers. They say nothing about another
# training.
#
# The same report for a detector and data of yours: `cascadekit diagnose CONFIG CHECKPOINT`.

# %%
own = [stage.share_u for stage in histograms.stages]
spread = [stage.uncut.std[0] for stage in deltas.stages]
ap = {curve.name: curve.ap for curve in matrix.choices.curves}
gain = ap[matrix.final]["AP80"] - ap["1"]["AP80"]
assert own[-1] > 0.5 * own[0], f"positives should not run out: {own}"
assert spread[-1] < spread[0], f"deltas should shrink: {spread}"
assert gain > 0, f"the cascade should gain at IoU 0.8: {gain:+.3f}"
positives = ", ".join(f"{share:.1%}" for share in own)
Markdown(
    f"Checked: positives at each stage's u are {positives}; the spread of dx falls from "
    f"{spread[0]:.3f} to {spread[-1]:.3f}; AP80 gains {100 * gain:+.1f} points."
)
