/** The journal cannot be read or written: the run stops before it does anything it could not remember. */
export class JournalError extends Error {
  override readonly name = 'JournalError';
}
