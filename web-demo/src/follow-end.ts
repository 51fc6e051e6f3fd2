/** So near to the end counts as at the end, in CSS pixels. */
const NEAR_PX = 48;

/**
 * Keeps the end of a scrolling element in sight until the reader scrolls up; then a button leads back.
 * The returned function is to be called after the content has grown.
 */
export function followEnd(scroller: HTMLElement, jumpButton: HTMLButtonElement): () => void {
  let follows = true;
  const distancePx = (): number => scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
  const toEnd = (): void => {
    if (follows) scroller.scrollTop = scroller.scrollHeight;
  };
  let lastTopPx = 0;
  scroller.addEventListener('scroll', () => {
    // Away from the end without having gone up: the content or the element changed its size, nobody scrolled.
    if (distancePx() < NEAR_PX) follows = true;
    else if (scroller.scrollTop < lastTopPx) follows = false;
    lastTopPx = scroller.scrollTop;
    jumpButton.hidden = follows;
  }, { passive: true });
  jumpButton.addEventListener('click', () => {
    follows = true;
    toEnd();
    scroller.focus({ preventScroll: true });
  });
  new ResizeObserver(toEnd).observe(scroller);
  return toEnd;
}
