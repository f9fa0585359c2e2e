// Node's own WebSocket, as a client.

import { readFileSync } from 'node:fs';
import { runInThisContext } from 'node:vm';

import { serve } from './lines.mjs';

runInThisContext(readFileSync(new URL('end.js', import.meta.url), 'utf8'));
await serve(new globalThis.StandardEnd());
