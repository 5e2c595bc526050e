"""Registries of this package: children of mmengine's, scope `cascadekit`.

Another mm-style project builds our parts by scoped name, `type='cascadekit.FPN'`, and needs no
`custom_imports`: mmengine imports `<scope>.registry` (hence this file's name) and each registry
imports its `locations` when a name is first looked up.
"""

from __future__ import annotations

from mmengine import registry as mm

SCOPE = "cascadekit"


def _child(parent: mm.Registry, *locations: str) -> mm.Registry:
    return mm.Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


MODELS = _child(mm.MODELS, "cascadekit.models", "cascadekit.interop")
TASK_UTILS = _child(mm.TASK_UTILS, "cascadekit.models", "cascadekit.interop")
DATASETS = _child(mm.DATASETS, "cascadekit.datasets")
TRANSFORMS = _child(mm.TRANSFORMS, "cascadekit.datasets")
DATA_SAMPLERS = _child(mm.DATA_SAMPLERS, "cascadekit.datasets")
METRICS = _child(mm.METRICS, "cascadekit.evaluation")
HOOKS = _child(mm.HOOKS, "cascadekit.engine")
LOG_PROCESSORS = _child(mm.LOG_PROCESSORS, "cascadekit.engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child(mm.OPTIM_WRAPPER_CONSTRUCTORS, "cascadekit.engine")

# Kinds of parts that we have none of: without a child in our scope mmengine would warn on each.
_OTHERS = [
    _child(parent, "cascadekit.engine")
    for parent in (
        mm.RUNNERS,
        mm.RUNNER_CONSTRUCTORS,
        mm.LOOPS,
        mm.MODEL_WRAPPERS,
        mm.WEIGHT_INITIALIZERS,
        mm.OPTIMIZERS,
        mm.OPTIM_WRAPPERS,
        mm.PARAM_SCHEDULERS,
        mm.EVALUATOR,
        mm.VISUALIZERS,
        mm.VISBACKENDS,
    )
]
