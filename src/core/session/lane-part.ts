/** How a lane takes part in its session. */
export interface LanePart {
  /** Who speaks on it, where that is known: its words are given to that name. */
  readonly speaker?: string;
  /**
   * It joins lanes that may have begun before it: its times count from the first audio of the session instead of its own; by when the
   * audio was captured where its source knows, else by when it came. Default false.
   */
  readonly joins?: boolean;
}
