// The line to the tests, as in lines.py: one call a line on standard input, one answer a line on standard output.

import { createInterface } from 'node:readline';

const WITHIN = 20_000;

async function answer(end, { op, ...call }) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${op} takes over ${WITHIN} ms`)), WITHIN);
  });
  try {
    return await Promise.race([end[op](call), late]);
  } catch (error) {
    return { fault: String(error) };
  } finally {
    clearTimeout(timer);
  }
}

export async function serve(end) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`=> ${JSON.stringify((await answer(end, JSON.parse(line))) ?? {})}\n`);
  }
  process.exit(0);
}
