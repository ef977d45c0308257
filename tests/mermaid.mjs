// Reads diagrams, separated by NUL, from standard input with Mermaid's own parser, and fails on the first it refuses.
// Needs the packages mermaid and jsdom in the folder named by its argument.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(pathToFileURL(`${process.argv[2]}/`));
const { JSDOM } = require('jsdom');
const page = new JSDOM('');
Object.assign(globalThis, { window: page.window, document: page.window.document });
const { default: mermaid } = await import(pathToFileURL(require.resolve('mermaid')));
const diagrams = readFileSync(0, 'utf8').split('\0').filter((text) => text);
for (const text of diagrams) {
    await mermaid.parse(text).catch((error) => {
        console.error(`${error.message}\n${text}`);
        process.exit(1);
    });
}
console.log(diagrams.length);
