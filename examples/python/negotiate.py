"""Plays one party's whole negotiation: a sample to copy from, made from the published protos and docs/FORMAT.md alone.

    python negotiate.py desk.json < passphrase

Proposes a text, watches what the others do, takes up their remarks and objections in a new revision, initials, signs, publishes
and fetches the package. Each step is a line of JSON on standard output; ../README.md explains them. What a person must decide
(is this the text that we want? do we sign?) is decided here by rules of the sample: put your own people there.
Exit: 0 the package is there, 1 it could not be done.
"""

import base64
import datetime
import hashlib
import importlib
import json
import os
import pathlib
import random
import secrets
import ssl
import sys
import tempfile
import time
import uuid

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

# receipt.proto, "Limits", and content.proto.
REQUEST_LIMIT = 1 << 20
RESPONSE_LIMIT = 8 << 20
CHUNK = 256 << 10
# How often a call that may be repeated is tried, and how long one may take, in seconds.
TRIES = 8
CALL_SECONDS = 60


def tell(step, **facts):
    print(json.dumps({"step": step, **facts}, ensure_ascii=False), flush=True)


# --- The format: canonical JSON, digests, keys, statements (docs/FORMAT.md, "Conventions" and "Keys and statements") ---


def canonical(value):
    """RFC 8785. Our documents hold text, whole numbers, null, lists and members with ASCII names: this is all it takes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(words):
    return base64.urlsafe_b64decode(words + "=" * (-len(words) % 4))


def jwk(public):
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": b64(raw)}


def header(key, kind):
    """The protected header, in exactly these bytes. `kid` is the RFC 7638 thumbprint of the key."""
    kid = b64(hashlib.sha256(canonical(key)).digest())
    return b64(canonical({"alg": "EdDSA", "kid": kid, "typ": f"communique.v1.{kind}"}))


def sign(payload, kind, secret):
    signed = f"{header(jwk(secret.public_key()), kind)}.{b64(canonical(payload))}"
    return f"{signed}.{b64(secret.sign(signed.encode()))}"


def claims(compact):
    """What a statement says. Nothing is proven yet: it tells which key to verify with."""
    return json.loads(unb64(compact.split(".")[1]))


def verified(compact, kind, key):
    """What a statement says, if this key made it. The header is compared, never interpreted."""
    head, payload, signature = compact.split(".")
    if head != header(key, kind):
        sys.exit(f"a statement of type {kind} is not by the key that it must be by")
    Ed25519PublicKey.from_public_bytes(unb64(key["x"])).verify(unb64(signature), f"{head}.{payload}".encode())
    return json.loads(unb64(payload))


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def uuid7():
    """A communiqué's id: a UUID of version 7, which sorts by age."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
    return str(uuid.UUID(int=value))


# --- The wire: the client from the protos, mutual TLS, refusals and repeats ---------------------------------------


def generate(protos, out):
    """Compiles the contract. In your build this is a step of its own; here it is done each time."""
    files = sorted(str(file.relative_to(protos)) for file in protos.rglob("*.proto"))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    args = ["protoc", f"-I{protos}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main([*args, *files]) != 0:
        sys.exit("the protos do not compile")
    sys.path.insert(0, out)
    modules = [f.removesuffix(".proto").replace("/", ".") + end for f in files for end in ("_pb2", "_pb2_grpc")]
    # All messages and stubs in one name space: no two are called alike.
    return {name: it for module in modules for name, it in vars(importlib.import_module(module)).items()}


def refusal(error):
    """The reason, its facts and how long to wait (`None`: repeating does not help) of a call that failed."""
    reason, facts, wait = None, {}, None
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == "communique":
            reason, facts = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            wait = retry.retry_delay.ToTimedelta().total_seconds()
    # Not the exchange's answer: the way to it is broken. Every request may be repeated, so ask again.
    if reason is None and error.code() == grpc.StatusCode.UNAVAILABLE:
        wait = 1
    return reason or error.code().name, facts, wait


def pause(wait):
    """With jitter, so that all who were sent away do not come back at once."""
    time.sleep(wait * random.uniform(0.5, 1.5))


class Refused(Exception):
    """A no that repeating does not change."""

    def __init__(self, method, error):
        self.reason, self.facts, _ = refusal(error)
        super().__init__(f"{method}: {self.reason}: {error.details()}")
        tell("refused", method=method, code=error.code().name, reason=self.reason, facts=self.facts)


class Exchange:
    """A connection: `exchange.call("CommuniqueService/SubmitAct", statement=…)`."""

    def __init__(self, desk, charter, v1):
        self.v1 = v1
        # The charter that you pinned names the authority of the exchange's certificate: no other is believed.
        root = ssl.DER_cert_to_PEM_cert(unb64(charter["server_ca"])).encode()
        credentials = grpc.ssl_channel_credentials(
            root_certificates=root,
            private_key=pathlib.Path(desk["key"]).read_bytes(),
            certificate_chain=pathlib.Path(desk["certificate"]).read_bytes(),
        )
        settings = {
            "grpc.ssl_target_name_override": charter["exchange"],
            "grpc.max_send_message_length": REQUEST_LIMIT,
            "grpc.max_receive_message_length": RESPONSE_LIMIT,
            # A watcher hears of a dead connection within minutes, not hours.
            "grpc.keepalive_time_ms": 60_000,
            "grpc.max_reconnect_backoff_ms": 10_000,
        }
        addresses = desk["address"] if isinstance(desk["address"], list) else [desk["address"]]
        self.channels = [grpc.secure_channel(address, credentials, list(settings.items())) for address in addresses]

    def method(self, name):
        service, method = name.split("/")
        return getattr(self.v1[f"{service}Stub"](self.channels[0]), method)

    def elsewhere(self):
        """The next address from now on: every one leads to the same log, and the same bytes get the same answer there."""
        self.channels.append(self.channels.pop(0))

    def request(self, name, /, **fields):
        return self.v1[f"{name.split('/')[1]}Request"](**fields)

    def repeating(self, name, attempt):
        """The same bytes again, while the answer is that it may help."""
        for left in reversed(range(TRIES)):
            try:
                return attempt(self.method(name))
            except grpc.RpcError as error:
                wait = refusal(error)[2]
                if wait is None or left == 0:
                    raise Refused(name, error) from None
                self.elsewhere()
                pause(wait)

    def call(self, name, /, **fields):
        request = self.request(name, **fields)
        return self.repeating(name, lambda method: method(request, timeout=CALL_SECONDS))

    def pages(self, name, rows, /, **fields):
        """Every row of a list. A page may be short or empty: only an empty token is the end."""
        token = ""
        while True:
            page = self.call(name, page_token=token, **fields)
            yield from getattr(page, rows)
            token = page.next_page_token
            if not token:
                return

    def upload(self, communique, data):
        """A stream of requests: a header, then chunks. Goes on where an upload that broke off ended."""
        name, digest = f"communiques/{communique}", sha256(data)
        v1, began = self.v1, []

        def attempt(method):
            held = self.call("ContentService/GetUpload", communique=name, sha256=digest)
            began.append(held.held)

            def parts():
                offset = 0 if held.complete else held.held
                yield self.request("ContentService/UploadContent", header=v1["UploadHeader"](
                    communique=name, sha256=digest, size=len(data), offset=offset))
                for at in range(offset, len(data), CHUNK):
                    yield self.request("ContentService/UploadContent", chunk=data[at : at + CHUNK])

            return None if held.complete else method(parts(), timeout=CALL_SECONDS)

        self.repeating("ContentService/UploadContent", attempt)
        tell("uploaded", sha256=digest, size=len(data), held=began[-1])
        return {"sha256": digest, "size": len(data)}

    def download(self, communique, size, digest, file):
        """A stream of answers into a file. After a break it asks for what is lacking."""
        with open(file, "wb") as out:

            def attempt(method):
                request = self.request(
                    "PublicationService/DownloadPackage", communique=f"communiques/{communique}", offset=out.tell())
                for part in method(request, timeout=CALL_SECONDS):
                    out.write(part.chunk)

            self.repeating("PublicationService/DownloadPackage", attempt)
        data = pathlib.Path(file).read_bytes()
        if len(data) != size or sha256(data) != digest:
            sys.exit("the package is not the one that was published")
        tell("package", file=file, sha256=digest, size=size)


# --- The negotiation ----------------------------------------------------------------------------------------------


class Negotiation:
    def __init__(self, desk, secret, charter, exchange):
        self.desk, self.secret, self.charter, self.exchange = desk, secret, charter, exchange
        self.grants = {}
        self.grant = self.own_powers()
        self.id = desk.get("communique") or uuid7()
        # The newest revision as far as it was heard: manifest, its digest, what it is signed under.
        self.manifest, self.digest, self.opening = None, None, None
        self.mine, self.initialled, self.published = set(), set(), False

    def authority(self, party):
        return next(p["authority"] for p in self.charter["parties"] if p["id"] == party)

    def own_powers(self):
        """The grant that is in force for this key. It, too, is believed only under the authority in the pinned charter."""
        party, key = self.desk["party"], jwk(self.secret.public_key())
        for row in self.exchange.pages("PowersService/ListPowers", "powers", party=f"parties/{party}"):
            grant = verified(row.statement, "powers", self.authority(party))
            if grant["key"] == key and grant["not_before"] <= now() <= grant["not_after"] and not row.HasField("revocation"):
                digest = sha256(row.statement.encode())
                tell("powers", grant=digest, holder=grant["holder"]["id"], acts=grant["acts"])
                return digest
        sys.exit(f"no full powers of {party} for this key are in the log: ask your authority for some")

    def read_act(self, compact):
        """An act, verified down to the charter: the holder's key by full powers, these by the party's authority."""
        act = claims(compact)
        if act["grant"] not in self.grants:
            powers = self.exchange.call("PowersService/GetPowers", digest=act["grant"]).powers
            if sha256(powers.statement.encode()) != act["grant"]:
                sys.exit("the exchange gave other full powers than asked for")
            self.grants[act["grant"]] = verified(powers.statement, "powers", self.authority(act["party"]))
        return verified(compact, "act", self.grants[act["grant"]]["key"])

    def about(self):
        """What every document and statement of this communiqué says of itself."""
        charter = self.desk["pin"]
        # Of charter 1, which this sample asks for, the digest is the founding too.
        return {"founding": charter, "exchange": self.charter["exchange"], "communique": self.id}

    def act(self, kind, manifest, **facts):
        """A signed act on a revision. Members that do not apply are null, never absent."""
        empty = dict.fromkeys(["opening", "place", "reason", "declaration", "confirms"])
        return sign(
            {
                **empty, **self.about(), "act": kind, "charter": self.desk["pin"], "grant": self.grant,
                "manifest": sha256(manifest), "party": self.desk["party"], "revision": json.loads(manifest)["revision"],
                "time": now(), **facts,
            },
            "act",
            self.secret,
        )

    def propose(self, text):
        """Uploads the text, and puts forward the next revision with it."""
        self.text, desk = text, self.desk
        before = json.loads(self.manifest) if self.manifest else None
        content = self.exchange.upload(self.id, text.encode())
        manifest = canonical({
            **self.about(),
            "type": "communique.v1.manifest", "charter": desk["pin"], "rules": "text.v1", "salt": b64(secrets.token_bytes(32)),
            "revision": before["revision"] + 1 if before else 1, "previous": self.digest,
            "proposer": before["proposer"] if before else desk["party"], "parties": desk["parties"],
            "titles": {desk["lang"]: desk["title"]},
            "texts": [{"lang": desk["lang"], "dir": "ltr", "status": "authentic", **content}],
            "annexes": [], "meeting": None, "legal_effect": "political", "rectifies": None,
            "procedure": {"initialling": "required", "deadline": None, "embargo": None},
        })
        statement = self.act("propose", manifest)
        answer = self.exchange.call("CommuniqueService/ProposeRevision", manifest=manifest, propose=statement)
        self.mine.add(sha256(manifest))
        self.heard_revision(manifest)
        receipt = answer.revision.receipt
        tell("proposed", communique=self.id, revision=json.loads(manifest)["revision"], manifest=self.digest, index=receipt.index)
        return receipt.index

    def heard_revision(self, manifest):
        if not self.manifest or json.loads(manifest)["revision"] > json.loads(self.manifest)["revision"]:
            self.manifest, self.digest, self.opening = manifest, sha256(manifest), None

    def submit(self, kind, **facts):
        """Acts on the newest revision, and sends it twice: after a broken connection that is what you do. It is done once."""
        statement = self.act(kind, self.manifest, **facts)
        first = self.exchange.call("CommuniqueService/SubmitAct", statement=statement).receipt
        again = self.exchange.call("CommuniqueService/SubmitAct", statement=statement).receipt
        tell("acted", act=kind, revision=json.loads(self.manifest)["revision"], index=first.index, same=first == again)

    def remark(self, words):
        """A remark to all: a document, not signed."""
        remark = canonical({
            **self.about(), "type": "communique.v1.remark", "salt": b64(secrets.token_bytes(32)), "party": self.desk["party"],
            "revision": json.loads(self.manifest)["revision"], "author": "System (sample)", "audience": "all",
            "lang": None, "text": words, "time": now(),
        })
        receipt = self.exchange.call("CommuniqueService/AddRemark", document=remark).receipt
        tell("remarked", index=receipt.index)

    def take_up(self, words):
        """A person would weigh what another party says. The sample takes its words up as a last paragraph."""
        self.propose(f"{self.text}\n{words}\n")
        self.remark("Taken up in this revision.")

    def watch(self, index):
        """Hears every entry once, in order, whatever breaks; ends when the package is there."""
        v1 = self.exchange.v1
        while not self.published:
            tell("watching", index=index)
            request = v1["WatchRequest"](from_index=index, communique=f"communiques/{self.id}")
            stream = self.exchange.method("EventService/Watch")(request)
            try:
                for response in stream:
                    if response.WhichOneof("item") == "heartbeat":
                        index = max(index, response.heartbeat.next_index)
                        continue
                    self.react(response.event)
                    # Only now: what was not reacted to is heard again.
                    index = response.event.index + 1
                    if self.published:
                        return
                # An end without an error is no end of the negotiation.
                pause(1)
            except grpc.RpcError as error:
                reason, _, wait = refusal(error)
                if reason != "SLOW_READER" and wait is None:
                    raise Refused("EventService/Watch", error) from None
                tell("broken", reason=reason, index=index)
                self.exchange.elsewhere()
                pause(wait or 1)
            finally:
                stream.cancel()

    def react(self, event):
        if event.WhichOneof("view") == "escrowed":
            tell("heard", index=event.index, kind="escrowed", party=event.escrowed.act.party)
            return
        entry, objects = json.loads(event.shown.entry), list(event.shown.objects)
        if entry["documents"] + entry["statements"] != [sha256(it) for it in objects]:
            sys.exit("the exchange sent other objects than its entry names")
        heard = {"index": event.index, "kind": entry["kind"]}
        try:
            match entry["kind"]:
                case "revision":
                    act = self.read_act(objects[1].decode())
                    tell("heard", **heard, party=act["party"], revision=act["revision"])
                    self.heard_revision(objects[0])
                case "remark":
                    remark = json.loads(objects[0])
                    tell("heard", **heard, party=remark["party"], revision=remark["revision"])
                    self.heard_words(remark["party"], remark["revision"], remark["text"])
                case "act":
                    act = self.read_act(objects[0].decode())
                    tell("heard", **heard, act=act["act"], party=act["party"], revision=act["revision"])
                    self.heard_act(act)
                case "opened":
                    tell("heard", **heard)
                    # What is signed names this entry by its digest, so that nobody signs another opening.
                    self.opening = sha256(event.shown.entry)
                    if entry["documents"] == [self.digest] and self.digest in self.mine:
                        self.submit("sign", opening=self.opening, place="Sample town")
                case "completed" | "published":
                    tell("heard", **heard)
                    self.publish()
                case "lapsed":
                    sys.exit("it lapsed: not every party signed before the deadline")
                case _:
                    tell("heard", **heard)
        except Refused as no:
            # Somebody was quicker: the entry that says so is on its way.
            if no.reason not in ("STALE_REVISION", "NOT_NOW", "SEAT_TAKEN"):
                raise

    def heard_act(self, act):
        if act["act"] in ("object", "decline"):
            self.heard_words(act["party"], act["revision"], act["reason"])
        elif act["act"] == "initial" and act["party"] != self.desk["party"] and act["manifest"] == self.digest:
            # The sample initials a text of its own as soon as another party has: that other is content.
            if self.digest in self.mine and self.digest not in self.initialled:
                self.submit("initial")
                self.initialled.add(self.digest)

    def heard_words(self, party, revision, words):
        if party != self.desk["party"] and revision == json.loads(self.manifest)["revision"] and self.digest in self.mine:
            self.take_up(words)

    def publish(self):
        """Publishes, unless another party has: which of the two is told by a refusal."""
        if self.published:
            return
        name = f"communiques/{self.id}"
        try:
            publication = self.exchange.call("PublicationService/GetPublication", communique=name).publication
        except Refused as no:
            if no.reason != "NOT_PUBLISHED":
                raise
            publication = self.exchange.call("CommuniqueService/PublishCommunique", name=name).publication
        tell("published", index=publication.receipt.index)
        self.exchange.download(self.id, publication.package_size, publication.package_sha256, self.desk["package"])
        self.published = True


def main():
    desk = json.loads(pathlib.Path(sys.argv[1]).read_text())
    # Where the passphrase comes from is yours to say: a secret store, a card, a person. Not a file beside the key.
    passphrase = sys.stdin.readline().rstrip("\n").encode()
    secret = serialization.load_pem_private_key(pathlib.Path(desk["signing_key"]).read_bytes(), passphrase)

    document = pathlib.Path(desk["charter"]).read_bytes()
    if sha256(document) != desk["pin"]:
        sys.exit("the charter is not the one that you pinned")
    charter = json.loads(document)
    # gRPC's own words on standard error would only repeat what is told here.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with tempfile.TemporaryDirectory() as out:
        exchange = Exchange(desk, charter, generate(pathlib.Path(desk["protos"]), out))
        in_force = exchange.call("CharterService/GetCharter").charter.document
        if sha256(in_force) != desk["pin"] or charter["version"] != 1:
            sys.exit("the charter in force is not the one that you pinned; adopting its successor is not in this sample")
        tell("charter", fingerprint=desk["pin"], version=charter["version"])
        negotiation = Negotiation(desk, secret, charter, exchange)
        index = negotiation.propose(pathlib.Path(desk["text"]).read_text())
        negotiation.watch(index)


if __name__ == "__main__":
    try:
        main()
    except Refused as no:
        sys.exit(str(no))
