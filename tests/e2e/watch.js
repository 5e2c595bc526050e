// What the tests ask of a page. `frame` is the element that holds the picture.
window.redraw = (() => {
  "use strict";
  // The picture that is shown: the pages of a viewer are all in the document, one is visible.
  const shown = frame => [...frame.querySelectorAll("img")].find(i => i.offsetParent && i.naturalWidth);

  // The decoded pixels, since the address of a picture changes even where its content does not.
  const pixels = image => {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, canvas.width, canvas.height).data;
  };
  // Pixels that differ by more than JPEG's noise.
  const different = (a, b) => {
    if (a.length !== b.length) return a.length / 4;
    let count = 0;
    for (let i = 0; i < a.length; i += 4)
      if (Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2]) > 60) count += 1;
    return count;
  };

  let before = null, pressed = null, changed = null;
  const look = frame => {
    const image = shown(frame);
    if (image && image.complete && (image !== before.image || image.src !== before.src)) {
      changed = performance.now();
      return;
    }
    requestAnimationFrame(() => look(frame));
  };
  return {
    ready: frame => Boolean(shown(frame)),
    digest: frame => pixels(shown(frame)).reduce((sum, value) => (31 * sum + value) | 0, 0),
    // Call it before the key is pressed; `result` then says what came of it.
    arm: (frame, event) => {
      const image = shown(frame);
      before = {image, src: image.src, pixels: pixels(image)};
      pressed = changed = null;
      document.addEventListener(event, e => {
        pressed = e.timeStamp;
        look(frame);
      }, {capture: true, once: true});
    },
    done: () => changed !== null,
    result: frame => ({
      milliseconds: changed - pressed,
      pixels: different(before.pixels, pixels(shown(frame))),
    }),
  };
})();
