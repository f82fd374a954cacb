// What a package of npm says of statements: `judge.mjs PACKAGE`, the statements on standard input. In and out: judge.py.
// jose takes a statement whole, @noble/ed25519 knows only signatures. NODE_PATH names the folder of the packages.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const packages = process.env.NODE_PATH;
const manifest = (name) => JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
const load = (name) => import(pathToFileURL(createRequire(join(packages, "_")).resolve(name)));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64url"));

const judges = {
  jose: async () => {
    const { compactVerify, importJWK } = await load("jose");
    return async ({ jws, jwk }) => {
      await compactVerify(jws, await importJWK(jwk, "EdDSA"), { algorithms: ["EdDSA"] });
    };
  },
  "@noble/ed25519": async () => {
    const { verifyAsync } = await load("@noble/ed25519");
    return async ({ jws, jwk }) => {
      const dot = jws.lastIndexOf(".");
      const signed = new TextEncoder().encode(jws.slice(0, dot));
      if (!(await verifyAsync(bytes(jws.slice(dot + 1)), signed, bytes(jwk.x)))) throw new Error("does not verify");
    };
  },
};

const name = process.argv[2];
const judge = await judges[name]();
const verdicts = [];
for (const statement of JSON.parse(readFileSync(0, "utf8"))) {
  verdicts.push(await judge(statement).then(() => null, (why) => `${why.code ?? why.name}: ${why.message}`));
}
process.stdout.write(JSON.stringify({ version: manifest(name).version, verdicts }));
