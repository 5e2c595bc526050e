"""MS-CNN's proposal loss once more: plain loops over images, cells and coordinates, in floats.

Not a test. Written from the rules, and sharing no code with the package.
"""

from __future__ import annotations

import math


def overlap(a, b):
    """Area of the intersection of two xyxy boxes."""
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def area(a):
    return (a[2] - a[0]) * (a[3] - a[1])


def iou(a, b):
    return overlap(a, b) / (area(a) + area(b) - overlap(a, b))


def match(templates, boxes, ignored, size, is_region=None):
    """What each template of one image is: the number of its object, "negative" or None.

    Args:
        templates: list of (width, height, stride, columns, rows).
        boxes: objects, xyxy.
        ignored: regions and objects, xyxy.
        size: (height, width).
        is_region: for each of those, whether it is a region; None: each counts as both.
    """
    flags = [True] * len(ignored) if is_region is None else is_region
    regions = [box for box, region in zip(ignored, flags, strict=True) if region]
    others = ignored
    if is_region is not None:
        others = [box for box, region in zip(ignored, flags, strict=True) if not region]
    what, best = {}, [(0.0, None)] * len(boxes)
    for t, (w, h, stride, columns, rows) in enumerate(templates):
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
                key = (t, row, column)
                what[key] = None
                if x > size[1] or y > size[0]:
                    continue
                if sum(overlap(box, region) / area(box) for region in regions) >= 0.4:
                    continue
                most, own = 0.0, None
                for n, truth in enumerate(boxes):
                    value = iou(box, truth)
                    if value > most:
                        most, own = value, n
                    if value > best[n][0]:
                        best[n] = (value, key)
                near = max((iou(box, other) for other in others), default=0.0)
                if most > 0.5 and (is_region is None or near <= most):
                    what[key] = own
                elif most < 0.2 and near < 0.2:
                    what[key] = "negative"
    have = {own for own in what.values() if isinstance(own, int)}
    for n, (value, key) in enumerate(best):
        if n in have or value < 0.2:
            continue
        t = key[0]
        _, _, stride, columns, rows = templates[t]
        x1, y1, x2, y2 = boxes[n]
        column = min(max(math.floor((x1 + x2) / 2 / stride), 0), columns - 1)
        row = min(max(math.floor((y1 + y2) / 2 / stride), 0), rows - 1)
        if not isinstance(what[t, row, column], int):
            what[t, row, column] = n
    return what


def hardest(what, labels, logits, t, classes):
    """Negatives of one template and image: for each class those with its largest logits."""
    negatives = [key for key, own in what.items() if key[0] == t and own == "negative"]
    chosen = set()
    for k in range(classes):
        own = [n for key, n in what.items() if key[0] == t and isinstance(n, int)]
        count = max(2 * sum(labels[n] == k for n in own), 4)
        ranked = sorted(negatives, key=lambda key: -logits[key][k])  # stable: first of equals
        chosen.update(ranked[:count])
    return sorted(chosen)


def cross_entropy(logits, label):
    top = max(logits)
    return math.log(sum(math.exp(v - top) for v in logits)) + top - logits[label]


def smooth_l1(difference):
    """The loss and its derivative."""
    if abs(difference) < 1:
        return difference**2 / 2, difference
    return abs(difference) - 0.5, math.copysign(1, difference)


def template_loss(t, template, images, classes, stds, bounds):
    """Class loss, box loss, and the derivative of the latter by each positive's deltas.

    Args:
        t: number of the template.
        template: its (width, height, stride, ...).
        images: for each image (what, boxes, labels, logits, deltas); the last two by key.
        classes: K.
        stds: of the deltas.
        bounds: of the deltas, not normalised.
    """
    width, height, stride = template[:3]
    rows = []  # (is positive, cross-entropy)
    box, slopes = 0.0, {}
    positives = 0
    for number, (what, boxes, labels, logits, deltas) in enumerate(images):
        for key in hardest(what, labels, logits, t, classes):
            rows.append((False, cross_entropy(logits[key], classes)))
        for key, own in what.items():
            if key[0] != t or not isinstance(own, int):
                continue
            positives += 1
            rows.append((True, cross_entropy(logits[key], labels[own])))
            x1, y1, x2, y2 = boxes[own]
            x, y = (key[2] + 0.5) * stride, (key[1] + 0.5) * stride
            wanted = (
                ((x1 + x2) / 2 - x) / width,
                ((y1 + y2) / 2 - y) / height,
                math.log((x2 - x1) / width),
                math.log((y2 - y1) / height),
            )
            slopes[number, key] = []
            for delta, want, std, bound in zip(deltas[key], wanted, stds, bounds, strict=True):
                inside = min(max(delta, -bound / std), bound / std)
                value, slope = smooth_l1(inside - want / std)
                box += value
                slopes[number, key].append(slope)
    # As the released code: weights over the kept sample, then a mean over it.
    kept, negatives = len(rows), len(rows) - positives
    total = 0.0
    for positive, value in rows:
        if positives == 0:
            weight = 1.0
        elif positive:
            weight = 1 / 3 * kept / positives
        else:
            weight = 2 / 3 * kept / negatives
        total += weight * value
    coordinates = max(4 * positives, 1)
    slopes = {key: [s / coordinates for s in values] for key, values in slopes.items()}
    return total / max(kept, 1), box / coordinates, slopes
