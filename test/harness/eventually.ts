/** Calls until it does not throw any more; the last failure is thrown when `timeoutMs` is over. */
export async function eventually<T>(check: () => T | Promise<T>, timeoutMs = 60_000, pauseMs = 20): Promise<T> {
  const untilMs = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > untilMs) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
