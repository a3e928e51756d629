/**
 * A stream of bytes that the consumer pulls. Ending means success: whatever went wrong is thrown, so that a stream that
 * was cut can never be taken for a whole one. Returning early ends the producer. A chunk belongs to the consumer.
 */
export type Bytes = AsyncIterable<Uint8Array>;
