/**
 * M-mode work that waits. A generator yields 'wfi' where a loop of M-mode software would execute `wfi`, and is continued
 * when something enabled in mie is pending; node time passes in between. Whoever drives it decides what the hart does
 * meanwhile: the bare firmware waits, the Microvisor runs another guest.
 */
export type Waiting<T> = Generator<'wfi', T, void>;
