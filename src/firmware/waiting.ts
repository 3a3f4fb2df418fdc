/**
 * Why M-mode work pauses. `wfi`: where a loop of M-mode software would execute `wfi`, it is continued when something
 * enabled in mie is pending. `more`: it could go on at once, but has held the hart for long enough.
 */
export type Pause = 'wfi' | 'more';

/**
 * M-mode work that pauses; node time may pass in between. Whoever drives it decides what the hart does meanwhile: the bare
 * firmware waits or goes on, the Microvisor runs another guest.
 */
export type Waiting<T> = Generator<Pause, T, void>;
