/** What the capture worklet tells the page. Any message to the worklet asks it to drain. */
export type CaptureMessage =
  /** 100 ms of mono sound, or less when draining. */
  | { readonly type: 'chunk'; readonly samples: Int16Array<ArrayBuffer> }
  /** Of the last thirtieth of a second; 1 is full scale. */
  | { readonly type: 'level'; readonly rms: number; readonly peak: number }
  /** Every sample heard before the request has been sent. */
  | { readonly type: 'drained' };
