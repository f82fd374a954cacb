// Plays one party's whole negotiation: a sample to copy from, made from the published protos and docs/FORMAT.md alone.
//
//     node negotiate.js desk.json < passphrase
//
// Proposes a text, watches what the others do, takes up their remarks and objections in a new revision, initials, signs,
// publishes and fetches the package. Each step is a line of JSON on standard output; ../README.md explains them. What a person
// must decide (is this the text that we want? do we sign?) is decided here by rules of the sample: put your own people there.
// Exit: 0 the package is there, 1 it could not be done.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign as ed25519, verify } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// By `require`, which finds packages where NODE_PATH says, too.
const require = createRequire(import.meta.url);
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

// receipt.proto, "Limits", and content.proto.
const REQUEST_LIMIT = 1 << 20;
const RESPONSE_LIMIT = 8 << 20;
const CHUNK = 256 << 10;
// How often a call that may be repeated is tried, and how long one may take, in milliseconds.
const TRIES = 8;
const CALL_MILLIS = 60_000;

const tell = (step, facts) => process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);

class Failed extends Error {}
const fail = (why) => { throw new Failed(why); };

// --- The format: canonical JSON, digests, keys, statements (docs/FORMAT.md, "Conventions" and "Keys and statements") ---

// RFC 8785. Our documents hold text, whole numbers, null, lists and members with ASCII names: this is all it takes.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const b64 = (data) => Buffer.from(data).toString('base64url');
const unb64 = (words) => Buffer.from(words, 'base64url');

function jwk(secret) {
  const { crv, kty, x } = createPublicKey(secret).export({ format: 'jwk' });
  return { crv, kty, x };
}

// The protected header, in exactly these bytes. `kid` is the RFC 7638 thumbprint of the key.
function header(key, type) {
  const kid = createHash('sha256').update(canonical(key)).digest('base64url');
  return b64(canonical({ alg: 'EdDSA', kid, typ: `communique.v1.${type}` }));
}

function sign(payload, type, secret) {
  const signed = `${header(jwk(secret), type)}.${b64(canonical(payload))}`;
  return `${signed}.${b64(ed25519(null, Buffer.from(signed), secret))}`;
}

// What a statement says. Nothing is proven yet: it tells which key to verify with.
const claims = (compact) => JSON.parse(unb64(compact.split('.')[1]));

// What a statement says, if this key made it. The header is compared, never interpreted.
function verified(compact, type, key) {
  const [head, payload, signature] = compact.split('.');
  const made = head === header(key, type)
    && verify(null, Buffer.from(`${head}.${payload}`), createPublicKey({ key, format: 'jwk' }), unb64(signature));
  if (!made) fail(`a statement of type ${type} is not by the key that it must be by`);
  return JSON.parse(unb64(payload));
}

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

// A communiqué's id: a UUID of version 7, which sorts by age.
function uuid7() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

// --- The wire: the client from the protos, mutual TLS, refusals and repeats ---------------------------------------

// Details of a refusal, as google/rpc/status.proto and error_details.proto define them, as far as they are read here.
const details = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
`, { keepCase: true }).root;

// The reason, its facts and how many milliseconds to wait (`null`: repeating does not help) of a call that failed.
function refusal(error) {
  let reason = null, facts = {}, wait = null;
  for (const bytes of error.metadata?.get('grpc-status-details-bin') ?? []) {
    for (const detail of details.lookupType('Status').decode(bytes).details) {
      const type = detail.type_url.split('/').pop();
      if (type === 'google.rpc.ErrorInfo') {
        const info = details.lookupType('ErrorInfo').decode(detail.value);
        if (info.domain === 'communique') [reason, facts] = [info.reason, info.metadata];
      } else if (type === 'google.rpc.RetryInfo') {
        const { seconds, nanos } = details.lookupType('RetryInfo').decode(detail.value).retry_delay;
        wait = Number(seconds) * 1000 + nanos / 1e6;
      }
    }
  }
  // Not the exchange's answer: the way to it is broken. Every request may be repeated, so ask again.
  if (reason === null && error.code === grpc.status.UNAVAILABLE) wait = 1000;
  return { reason: reason ?? grpc.status[error.code], facts, wait };
}

// With jitter, so that all who were sent away do not come back at once.
const pause = (wait) => sleep(wait * (0.5 + Math.random()));

// A no that repeating does not change.
class Refused extends Failed {
  constructor(method, error) {
    const { reason, facts } = refusal(error);
    super(`${method}: ${reason}: ${error.details}`);
    this.reason = reason;
    tell('refused', { method, code: grpc.status[error.code], reason, facts });
  }
}

// A connection: `await exchange.call('CommuniqueService/SubmitAct', { statement })`.
class Exchange {
  #stubs;

  constructor(desk, charter) {
    const files = fs.readdirSync(path.join(desk.protos, 'communique/v1')).filter((file) => file.endsWith('.proto'));
    // Indices fit a number: the format keeps whole numbers below 2^53.
    const reading = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true, includeDirs: [desk.protos] };
    const definition = protoLoader.loadSync(files.map((file) => `communique/v1/${file}`), reading);
    const services = grpc.loadPackageDefinition(definition).communique.v1;
    // The charter that you pinned names the authority of the exchange's certificate: no other is believed.
    const der = unb64(charter.server_ca).toString('base64').replace(/.{1,64}/g, '$&\n');
    const root = Buffer.from(`-----BEGIN CERTIFICATE-----\n${der}-----END CERTIFICATE-----\n`);
    const credentials = grpc.credentials.createSsl(root, fs.readFileSync(desk.key), fs.readFileSync(desk.certificate));
    const settings = {
      'grpc.ssl_target_name_override': charter.exchange,
      'grpc.max_send_message_length': REQUEST_LIMIT,
      'grpc.max_receive_message_length': RESPONSE_LIMIT,
      // A watcher hears of a dead connection within minutes, not hours.
      'grpc.keepalive_time_ms': 60_000,
      'grpc.max_reconnect_backoff_ms': 10_000,
    };
    const named = Object.entries(services).filter(([name]) => name.endsWith('Service'));
    this.#stubs = [desk.address].flat().map((address) => new Map(
      named.map(([name, Stub]) => [name, new Stub(address, credentials, settings)]),
    ));
  }

  close() {
    for (const stubs of this.#stubs) for (const stub of stubs.values()) stub.close();
  }

  // The next address from now on: every one leads to the same log, and the same bytes get the same answer there.
  elsewhere() {
    this.#stubs.push(this.#stubs.shift());
  }

  // Starts a call: `begin(stub method)` as grpc-js wants it for this kind of method.
  method(name) {
    const [service, method] = name.split('/');
    const stub = this.#stubs[0].get(service);
    return stub[method].bind(stub);
  }

  // The same bytes again, while the answer is that it may help.
  async repeating(name, attempt) {
    for (let left = TRIES - 1; ; left -= 1) {
      try {
        return await attempt(this.method(name));
      } catch (error) {
        if (error instanceof Failed) throw error;
        const { wait } = refusal(error);
        if (wait === null || left === 0) throw new Refused(name, error);
        this.elsewhere();
        await pause(wait);
      }
    }
  }

  call(name, request = {}) {
    return this.repeating(name, (method) => new Promise((done, failed) => {
      method(request, { deadline: Date.now() + CALL_MILLIS }, (error, answer) => (error ? failed(error) : done(answer)));
    }));
  }

  // Every row of a list. A page may be short or empty: only an empty token is the end.
  async* pages(name, rows, request) {
    for (let token = ''; ;) {
      const page = await this.call(name, { ...request, page_token: token });
      yield* page[rows];
      token = page.next_page_token;
      if (!token) return;
    }
  }

  // A stream of requests: a header, then chunks. Goes on where an upload that broke off ended.
  async upload(id, data) {
    const communique = `communiques/${id}`, digest = sha256(data);
    let held;
    await this.repeating('ContentService/UploadContent', async (method) => {
      held = await this.call('ContentService/GetUpload', { communique, sha256: digest });
      if (held.complete) return;
      await new Promise((done, failed) => {
        const stream = method({ deadline: Date.now() + CALL_MILLIS }, (error, answer) => (error ? failed(error) : done(answer)));
        stream.write({ header: { communique, sha256: digest, size: data.length, offset: held.held } });
        for (let at = held.held; at < data.length; at += CHUNK) stream.write({ chunk: data.subarray(at, at + CHUNK) });
        stream.end();
      });
    });
    tell('uploaded', { sha256: digest, size: data.length, held: held.held });
    return { sha256: digest, size: data.length };
  }

  // A stream of answers into a file. After a break it asks for what is lacking.
  async download(id, size, digest, file) {
    const out = fs.openSync(file, 'w');
    let offset = 0;
    try {
      await this.repeating('PublicationService/DownloadPackage', async (method) => {
        const stream = method({ communique: `communiques/${id}`, offset }, { deadline: Date.now() + CALL_MILLIS });
        for await (const { chunk } of stream) offset += fs.writeSync(out, chunk);
      });
    } finally {
      fs.closeSync(out);
    }
    if (offset !== size || sha256(fs.readFileSync(file)) !== digest) fail('the package is not the one that was published');
    tell('package', { file, sha256: digest, size });
  }
}

// --- The negotiation ----------------------------------------------------------------------------------------------

class Negotiation {
  // The newest revision as far as it was heard: manifest, its digest, what it is signed under.
  manifest = null;
  digest = null;
  opening = null;
  mine = new Set();
  initialled = new Set();
  published = false;
  grants = new Map();

  constructor(desk, secret, charter, exchange) {
    Object.assign(this, { desk, secret, charter, exchange, id: desk.communique ?? uuid7() });
  }

  authority(party) {
    return this.charter.parties.find((listed) => listed.id === party).authority;
  }

  get revision() {
    return JSON.parse(this.manifest).revision;
  }

  // Finds the grant that is in force for this key. It, too, is believed only under the authority in the pinned charter.
  async findPowers() {
    const { party } = this.desk, { x } = jwk(this.secret);
    for await (const row of this.exchange.pages('PowersService/ListPowers', 'powers', { party: `parties/${party}` })) {
      const grant = verified(row.statement, 'powers', this.authority(party));
      if (grant.key.x === x && grant.not_before <= now() && now() <= grant.not_after && !row.revocation) {
        this.grant = sha256(row.statement);
        tell('powers', { grant: this.grant, holder: grant.holder.id, acts: grant.acts });
        return;
      }
    }
    fail(`no full powers of ${party} for this key are in the log: ask your authority for some`);
  }

  // An act, verified down to the charter: the holder's key by full powers, these by the party's authority.
  async readAct(compact) {
    const act = claims(compact);
    if (!this.grants.has(act.grant)) {
      const { powers } = await this.exchange.call('PowersService/GetPowers', { digest: act.grant });
      if (sha256(powers.statement) !== act.grant) fail('the exchange gave other full powers than asked for');
      this.grants.set(act.grant, verified(powers.statement, 'powers', this.authority(act.party)));
    }
    return verified(compact, 'act', this.grants.get(act.grant).key);
  }

  // What every document and statement of this communiqué says of itself.
  about() {
    // Of charter 1, which this sample asks for, the digest is the founding too.
    return { founding: this.desk.pin, exchange: this.charter.exchange, communique: this.id };
  }

  // A signed act on a revision. Members that do not apply are null, never absent.
  act(kind, manifest, facts = {}) {
    return sign({
      opening: null, place: null, reason: null, declaration: null, confirms: null,
      ...this.about(), act: kind, charter: this.desk.pin, grant: this.grant, manifest: sha256(manifest),
      party: this.desk.party, revision: JSON.parse(manifest).revision, time: now(), ...facts,
    }, 'act', this.secret);
  }

  // Uploads the text, and puts forward the next revision with it.
  async propose(text) {
    this.text = text;
    const { desk } = this, before = this.manifest && JSON.parse(this.manifest);
    const content = await this.exchange.upload(this.id, Buffer.from(text));
    const manifest = Buffer.from(canonical({
      ...this.about(),
      type: 'communique.v1.manifest', charter: desk.pin, rules: 'text.v1', salt: b64(randomBytes(32)),
      revision: before ? before.revision + 1 : 1, previous: this.digest,
      proposer: before ? before.proposer : desk.party, parties: desk.parties,
      titles: { [desk.lang]: desk.title },
      texts: [{ lang: desk.lang, dir: 'ltr', status: 'authentic', ...content }],
      annexes: [], meeting: null, legal_effect: 'political', rectifies: null,
      procedure: { initialling: 'required', deadline: null, embargo: null },
    }));
    const propose = this.act('propose', manifest);
    const answer = await this.exchange.call('CommuniqueService/ProposeRevision', { manifest, propose });
    this.mine.add(sha256(manifest));
    this.heardRevision(manifest);
    const { index } = answer.revision.receipt;
    tell('proposed', { communique: this.id, revision: this.revision, manifest: this.digest, index });
    return index;
  }

  heardRevision(manifest) {
    if (this.manifest && JSON.parse(manifest).revision <= this.revision) return;
    Object.assign(this, { manifest, digest: sha256(manifest), opening: null });
  }

  // Acts on the newest revision, and sends it twice: after a broken connection that is what you do. It is done once.
  async submit(kind, facts) {
    const statement = this.act(kind, this.manifest, facts);
    const { receipt: first } = await this.exchange.call('CommuniqueService/SubmitAct', { statement });
    const { receipt: again } = await this.exchange.call('CommuniqueService/SubmitAct', { statement });
    const same = first.index === again.index && first.entry.equals(again.entry);
    tell('acted', { act: kind, revision: this.revision, index: first.index, same });
  }

  // A remark to all: a document, not signed.
  async remark(words) {
    const document = Buffer.from(canonical({
      ...this.about(), type: 'communique.v1.remark', salt: b64(randomBytes(32)), party: this.desk.party,
      revision: this.revision, author: 'System (sample)', audience: 'all', lang: null, text: words, time: now(),
    }));
    const { receipt } = await this.exchange.call('CommuniqueService/AddRemark', { document });
    tell('remarked', { index: receipt.index });
  }

  // A person would weigh what another party says. The sample takes its words up as a last paragraph.
  async takeUp(words) {
    await this.propose(`${this.text}\n${words}\n`);
    await this.remark('Taken up in this revision.');
  }

  // Hears every entry once, in order, whatever breaks; ends when the package is there.
  async watch(index) {
    while (!this.published) {
      tell('watching', { index });
      const request = { from_index: index, communique: `communiques/${this.id}` };
      const stream = this.exchange.method('EventService/Watch')(request);
      try {
        for await (const { item, heartbeat, event } of stream) {
          if (item === 'heartbeat') {
            index = Math.max(index, heartbeat.next_index);
            continue;
          }
          await this.react(event);
          // Only now: what was not reacted to is heard again.
          index = event.index + 1;
          if (this.published) return;
        }
        // An end without an error is no end of the negotiation.
        await pause(1000);
      } catch (error) {
        if (error instanceof Failed || error.code === undefined) throw error;
        const { reason, wait } = refusal(error);
        if (reason !== 'SLOW_READER' && wait === null) throw new Refused('EventService/Watch', error);
        tell('broken', { reason, index });
        this.exchange.elsewhere();
        await pause(wait ?? 1000);
      } finally {
        // An error that the cancelling makes is nobody's.
        stream.on('error', () => {});
        stream.cancel();
      }
    }
  }

  async react(event) {
    if (event.view === 'escrowed') {
      tell('heard', { index: event.index, kind: 'escrowed', party: event.escrowed.act.party });
      return;
    }
    const entry = JSON.parse(event.shown.entry), { objects } = event.shown;
    if (canonical([...entry.documents, ...entry.statements]) !== canonical(objects.map(sha256))) {
      fail('the exchange sent other objects than its entry names');
    }
    const hear = (facts) => tell('heard', { index: event.index, kind: entry.kind, ...facts });
    try {
      switch (entry.kind) {
        case 'revision': {
          const { party, revision } = await this.readAct(objects[1].toString());
          hear({ party, revision });
          this.heardRevision(objects[0]);
          break;
        }
        case 'remark': {
          const { party, revision, text } = JSON.parse(objects[0]);
          hear({ party, revision });
          await this.heardWords(party, revision, text);
          break;
        }
        case 'act': {
          const act = await this.readAct(objects[0].toString());
          hear({ act: act.act, party: act.party, revision: act.revision });
          await this.heardAct(act);
          break;
        }
        case 'opened':
          hear();
          // What is signed names this entry by its digest, so that nobody signs another opening.
          this.opening = sha256(event.shown.entry);
          if (entry.documents[0] === this.digest && this.mine.has(this.digest)) {
            await this.submit('sign', { opening: this.opening, place: 'Sample town' });
          }
          break;
        case 'completed':
        case 'published':
          hear();
          await this.publish();
          break;
        case 'lapsed':
          return fail('it lapsed: not every party signed before the deadline');
        default:
          hear();
      }
    } catch (error) {
      // Somebody was quicker: the entry that says so is on its way.
      if (!['STALE_REVISION', 'NOT_NOW', 'SEAT_TAKEN'].includes(error.reason)) throw error;
    }
  }

  async heardAct(act) {
    if (act.act === 'object' || act.act === 'decline') {
      await this.heardWords(act.party, act.revision, act.reason);
    } else if (act.act === 'initial' && act.party !== this.desk.party && act.manifest === this.digest) {
      // The sample initials a text of its own as soon as another party has: that other is content.
      if (this.mine.has(this.digest) && !this.initialled.has(this.digest)) {
        await this.submit('initial');
        this.initialled.add(this.digest);
      }
    }
  }

  async heardWords(party, revision, words) {
    if (party !== this.desk.party && revision === this.revision && this.mine.has(this.digest)) await this.takeUp(words);
  }

  // Publishes, unless another party has: which of the two is told by a refusal.
  async publish() {
    const name = `communiques/${this.id}`;
    let publication;
    try {
      ({ publication } = await this.exchange.call('PublicationService/GetPublication', { communique: name }));
    } catch (error) {
      if (error.reason !== 'NOT_PUBLISHED') throw error;
      ({ publication } = await this.exchange.call('CommuniqueService/PublishCommunique', { name }));
    }
    tell('published', { index: publication.receipt.index });
    await this.exchange.download(this.id, publication.package_size, publication.package_sha256, this.desk.package);
    this.published = true;
  }
}

async function main() {
  const desk = JSON.parse(fs.readFileSync(process.argv[2]));
  // Where the passphrase comes from is yours to say: a secret store, a card, a person. Not a file beside the key.
  const passphrase = fs.readFileSync(0, 'utf8').split('\n')[0];
  const secret = createPrivateKey({ key: fs.readFileSync(desk.signing_key), passphrase });

  const document = fs.readFileSync(desk.charter);
  if (sha256(document) !== desk.pin) fail('the charter is not the one that you pinned');
  const charter = JSON.parse(document);
  const exchange = new Exchange(desk, charter);
  try {
    const { charter: inForce } = await exchange.call('CharterService/GetCharter');
    if (sha256(inForce.document) !== desk.pin || charter.version !== 1) {
      fail('the charter in force is not the one that you pinned; adopting its successor is not in this sample');
    }
    tell('charter', { fingerprint: desk.pin, version: charter.version });
    const negotiation = new Negotiation(desk, secret, charter, exchange);
    await negotiation.findPowers();
    await negotiation.watch(await negotiation.propose(fs.readFileSync(desk.text, 'utf8')));
  } finally {
    exchange.close();
  }
}

main().catch((error) => {
  process.stderr.write(`${error instanceof Failed ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
