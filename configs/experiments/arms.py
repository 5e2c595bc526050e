"""Every detector that an experiment needs, once; the experiments name them.

full: config of the paper's setting, full_start: of its first step, where it has two; small: config
for two cores; both below configs/. trained_as: the same weights as another arm's, tested in
another way. proposals_of: trained on that arm's stored proposals. suggested_by: its thresholds and
statistics come from that arm's proposal-quality report. small_data: kinds of data that the small
budget trains it on.
"""

_both = ("shapes", "photos")
_drawn = ("shapes",)

arms = {
    "u05": dict(full="paper/table1/baseline", small="u05", small_data=_both),
    "cascade": dict(full="paper/table1/cascade", small="cascade", small_data=_both),
    "u06": dict(
        full="paper/table1/baseline",
        full_options={"model.roi_head.stage_ious": (0.6,)},
        small="u06",
        small_data=_both,
    ),
    "u07": dict(
        full="paper/table1/baseline",
        full_options={"model.roi_head.stage_ious": (0.7,)},
        small="u07",
        small_data=_both,
    ),
    "iterative": dict(
        full="paper/table1/iterative_bbox", small="iterative", trained_as="u05", small_data=_both
    ),
    "integral": dict(full="paper/table1/integral_loss", small="integral", small_data=_both),
    "same_iou": dict(full="paper/table3/neither", small="same_iou", small_data=_both),
    "iou_up": dict(full="paper/table3/iou_up", small="iou_up", small_data=_both),
    "statistics": dict(full="paper/table3/statistics", small="statistics", small_data=_both),
    "cascade_avg": dict(full="paper/table3/both_avg", small="cascade_avg", small_data=_both),
    "cascade2": dict(full="paper/table4/stages_2", small="cascade2", small_data=_both),
    "cascade4": dict(full="paper/table4/stages_4", small="cascade4", small_data=_both),
    "mask": dict(full="paper/table9/mask_r50", small="mask", small_data=_drawn),
    "mask_b": dict(full="paper/table9/cascade_mask_strategy_b", small="mask_b", small_data=_drawn),
    "mask_c": dict(full="paper/table9/cascade_mask_strategy_c", small="mask_c", small_data=_drawn),
    "mask_d": dict(full="paper/table9/cascade_mask_strategy_d", small="mask_d", small_data=_drawn),
    "roipool": dict(full="paper/table6/faster_vgg16", small="roipool", small_data=_both),
    "roipool_cascade": dict(
        full="paper/table6/cascade_faster_vgg16", small="roipool_cascade", small_data=_both
    ),
    "rfcn": dict(full="paper/table6/rfcn_r50", small="rfcn", small_data=_both),
    "rfcn_cascade": dict(
        full="paper/table6/cascade_rfcn_r50", small="rfcn_cascade", small_data=_both
    ),
    "fpn_plus": dict(full="paper/table6/fpn_plus_r50", small="fpn_plus", small_data=_drawn),
    "fpn_plus_cascade": dict(
        full="paper/table6/cascade_fpn_plus_r50", small="fpn_plus_cascade", small_data=_drawn
    ),
    "gn": dict(full="paper/table7/r50_gn", small="gn", small_data=_drawn),
    "gn_cascade": dict(full="paper/table7/cascade_r50_gn", small="gn_cascade", small_data=_drawn),
    "resnet": dict(full="paper/table7/r101", small="resnet", small_data=_drawn),
    "resnet_cascade": dict(
        full="paper/table7/cascade_r101", small="resnet_cascade", small_data=_drawn
    ),
    "fast": dict(full="paper/table7/fast_r50", small="fast", proposals_of="u05", small_data=_drawn),
    "fast_cascade": dict(
        full="paper/table7/cascade_fast_r50",
        small="fast_cascade",
        proposals_of="u05",
        small_data=_drawn,
    ),
    "mask_gn": dict(full="paper/table10/mask_r50_gn", small="mask_gn", small_data=_drawn),
    "mask_gn_cascade": dict(
        full="paper/table10/cascade_mask_r50_gn", small="mask_gn_cascade", small_data=_drawn
    ),
    "suggested": dict(
        full="paper/table1/cascade", small="cascade", suggested_by="u05", small_data=_both
    ),
    "mscnn_kitti": dict(
        full="mscnn/kitti_base",
        full_start="mscnn/kitti_step1",
        small="mscnn_kitti",
        small_data=("drawn-kitti",),
    ),
    "mscnn_kitti_cascade": dict(
        full="mscnn/kitti_cascade",
        full_start="mscnn/kitti_step1",
        small="mscnn_kitti_cascade",
        small_data=("drawn-kitti",),
    ),
    "mscnn_citypersons": dict(
        full="mscnn/citypersons_base",
        full_start="mscnn/citypersons_step1",
        small="mscnn_citypersons",
        small_data=("drawn-citypersons",),
    ),
    "mscnn_citypersons_cascade": dict(
        full="mscnn/citypersons_cascade",
        full_start="mscnn/citypersons_step1",
        small="mscnn_citypersons_cascade",
        small_data=("drawn-citypersons",),
    ),
    "mscnn_widerface": dict(
        full="mscnn/widerface_base",
        full_start="mscnn/widerface_step1",
        small="mscnn_widerface",
        small_data=("drawn-widerface",),
    ),
    "mscnn_widerface_cascade": dict(
        full="mscnn/widerface_cascade",
        full_start="mscnn/widerface_step1",
        small="mscnn_widerface_cascade",
        small_data=("drawn-widerface",),
    ),
}
