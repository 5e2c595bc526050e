# Test-time augmentation as Detectron tests its X152 models: the config's own size and 8 others,
# from a half (short edge 400 where it is 800) to one and a half (1200), each also mirrored: 18
# views. Boxes of all views vote, masks are averaged. `--tta` uses this. To change it, name what
# differs in a config, or: --cfg-options tta_views.flip=False tta_model.postprocess.nms=gaussian
tta_model = dict(type="cascadekit.TestTimeAug", postprocess=dict(vote_iou=0.9))
tta_views = dict(
    type="cascadekit.TestViews",
    scales=(0.5, 0.625, 0.75, 0.875, 1.125, 1.25, 1.375, 1.5),
    flip=True,
)
