/**
 * Where the next connection goes: the busiest place that is not full, because packets that come together to one place cost less than each by itself
 * to another, which is woken for it; when all are full the least busy. Undefined where there is no place.
 */
export function placeFor<Place>(places: readonly Place[], busyOf: (place: Place) => number, full: number): Place | undefined {
  const [least, ...busier] = [...places].sort((one, other) => busyOf(one) - busyOf(other));
  return busier.findLast((place) => busyOf(place) < full) ?? least;
}
