/**
 * What some work took of this process, in milliseconds of the processor: a machine that has other things to do makes it
 * later, not more. For work whose time must not grow faster than its input; what it must reach is in `npm run bench`.
 */
export async function cpuMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
