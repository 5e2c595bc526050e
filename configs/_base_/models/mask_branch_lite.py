"""Mask pooling and head of the lite models; configs add it by `roi_head=_base_.mask_branch`."""

mask_branch = dict(
    mask_pool=dict(
        type="cascadekit.PyramidRoIAlign",
        output_size=14,
        strides=[8, 16, 32],
        sampling_ratio=2,
    ),
    mask_head=dict(
        type="cascadekit.MaskHead",
        in_channels=64,
        conv_channels=64,
        num_convs=2,
    ),
)
