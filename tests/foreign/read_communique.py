"""Reads communiqués as a foreign system would: grpcio, and the published protos, and nothing of ours.

Generates the client from the protos into a temporary directory, lists what the certificate's party may see, reads each
communiqué with its revisions and acts, downloads every text and compares its SHA-256 with the manifest's. Prints JSON.
Exit: 0 read, 1 something does not agree, 2 grpcio or grpcio-tools is not installed.
"""

import argparse
import hashlib
import importlib
import json
import pathlib
import sys
import tempfile

try:
    import grpc
    from grpc_tools import protoc
except ImportError as missing:
    print(f"{missing}; install grpcio and grpcio-tools", file=sys.stderr)
    sys.exit(2)

# As receipt.proto says.
REQUEST_LIMIT = 1 << 20
RESPONSE_LIMIT = 8 << 20
# A page so small that the lists here have several.
PAGE_SIZE = 2


def generate(protos, out):
    """Compiles the contract, and answers its modules by the file's name."""
    files = sorted(str(file.relative_to(protos)) for file in protos.rglob("*.proto"))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    imports = [f"-I{protos}", f"-I{well_known}"]
    if protoc.main(["protoc", *imports, f"--python_out={out}", f"--grpc_python_out={out}", *files]) != 0:
        sys.exit("the protos do not compile")
    sys.path.insert(0, str(out))
    modules = {}
    for file in files:
        name = file.removesuffix(".proto").replace("/", ".")
        modules[name.rsplit(".", 1)[1]] = (
            importlib.import_module(f"{name}_pb2"),
            importlib.import_module(f"{name}_pb2_grpc"),
        )
    return modules


def pages(method, request, rows):
    """Every row of a list."""
    request.page_size = PAGE_SIZE
    while True:
        page = method(request, timeout=60)
        yield from getattr(page, rows)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def act(view):
    """An act as JSON: what it says, or that it lies in escrow."""
    if view.WhichOneof("view") == "escrowed":
        return {"escrowed": view.escrowed.party, "revision": view.escrowed.revision}
    return {"statement": hashlib.sha256(view.shown.statement.encode()).hexdigest(), "index": view.shown.receipt.index}


def read(channel, modules):
    """Everything that the caller may see, and whether every digest agrees."""
    communique, communique_grpc = modules["communique"]
    content, content_grpc = modules["content"]
    service = communique_grpc.CommuniqueServiceStub(channel)
    contents = content_grpc.ContentServiceStub(channel)
    found, agree = [], True
    for row in pages(service.ListCommuniques, communique.ListCommuniquesRequest(), "communiques"):
        now = service.GetCommunique(communique.GetCommuniqueRequest(name=row.name), timeout=60).communique
        manifest = json.loads(now.newest.manifest)
        agree &= now.newest.manifest == row.manifest
        texts = {}
        for text in manifest["texts"]:
            request = content.DownloadContentRequest(communique=row.name, sha256=text["sha256"])
            bytes_ = b"".join(message.chunk for message in contents.DownloadContent(request, timeout=60))
            same = hashlib.sha256(bytes_).hexdigest() == text["sha256"] and len(bytes_) == text["size"]
            agree &= same
            texts[text["lang"]] = {"text": bytes_.decode(), "agrees": same}
        revisions = pages(service.ListRevisions, communique.ListRevisionsRequest(parent=row.name), "revisions")
        acts = pages(service.ListActs, communique.ListActsRequest(parent=row.name), "acts")
        found.append(
            {
                "name": now.name,
                "state": communique.State.Name(now.state),
                "revision": manifest["revision"],
                "manifest": hashlib.sha256(now.newest.manifest).hexdigest(),
                "revisions": [json.loads(r.manifest)["revision"] for r in revisions],
                "acts": [act(a) for a in acts],
                "texts": texts,
            }
        )
    return found, agree


def refused(channel, modules):
    """What a foreign system is told when it asks for what there is not."""
    communique, communique_grpc = modules["communique"]
    try:
        request = communique.GetCommuniqueRequest(name="communiques/01890a5d-ac96-774b-bcce-b302099a8057")
        communique_grpc.CommuniqueServiceStub(channel).GetCommunique(request, timeout=60)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protos", type=pathlib.Path, required=True, help="the directory proto/")
    parser.add_argument("--address", required=True, help="host:port")
    parser.add_argument("--name", required=True, help="the exchange's name, which its certificate bears")
    for file in ["ca", "certificate", "key"]:
        parser.add_argument(f"--{file}", type=pathlib.Path, required=True, help="PEM")
    options = parser.parse_args()
    credentials = grpc.ssl_channel_credentials(
        root_certificates=options.ca.read_bytes(),
        private_key=options.key.read_bytes(),
        certificate_chain=options.certificate.read_bytes(),
    )
    settings = [
        ("grpc.ssl_target_name_override", options.name),
        ("grpc.max_send_message_length", REQUEST_LIMIT),
        ("grpc.max_receive_message_length", RESPONSE_LIMIT),
    ]
    with tempfile.TemporaryDirectory() as out:
        modules = generate(options.protos, pathlib.Path(out))
        with grpc.secure_channel(options.address, credentials, settings) as channel:
            found, agree = read(channel, modules)
            json.dump({"communiques": found, "agree": agree, "unknown": refused(channel, modules)}, sys.stdout)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
