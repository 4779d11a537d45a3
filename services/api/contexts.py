"""/v1/contexts, what a create that names one asks of the guest, and where archives are uploaded to.

A context of another project, and one that was deleted, are not there at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, request

from services.api import bodies
from services.api.answers import NO_RETRY, Refusal, timestamp
from wallcrawler.context import Context, Version
from wallcrawler.contexts import BadUpload, NameTaken
from wallcrawler.errors import NotFound
from wallcrawler.project import Project
from wallcrawler.signatures import Signatures
from wallcrawler.uploadkey import VECTOR, NotForUs
from wallcrawler.wiring import Ports

#: Seconds for which an uploadUrl is good.
UPLOAD_SECONDS: Final = 600.0

#: How an archive may be encrypted; wallcrawler/uploadkey.py has the layout.
CIPHER: Final = {"cipherAlgorithm": "AES-256-CBC", "initializationVectorSize": VECTOR}


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("contexts", __name__)
    contexts = ports.contexts

    @routes.post("/v1/contexts")
    def create() -> tuple[Response, int]:
        wish = bodies.read(request, bodies.CreateContext)
        if wish.project_id is not None and wish.project_id != g.project_id:
            raise Refusal(403, "body/projectId is not the project of this API key")
        try:
            context = contexts.create(g.project_id, wish.name)
        except NameTaken as taken:
            raise Refusal(409, f"body/name: {taken}", NO_RETRY) from None
        return jsonify(_upload_body(context, ports)), 201

    @routes.get("/v1/contexts/<context_id>")
    def retrieve(context_id: str) -> Response:
        return jsonify(context_body(contexts.get(context_id, project_id=g.project_id)))

    @routes.put("/v1/contexts/<context_id>")
    def update(context_id: str) -> Response:
        return jsonify(_upload_body(contexts.get(context_id, project_id=g.project_id), ports))

    @routes.delete("/v1/contexts/<context_id>")
    def delete(context_id: str) -> Response:
        contexts.delete(context_id, project_id=g.project_id)
        return Response(status=204)

    @routes.get("/v1/contexts/<context_id>/versions")
    def versions(context_id: str) -> Response:
        context = contexts.get(context_id, project_id=g.project_id)
        return jsonify([version_body(version, context) for version in contexts.versions(context)])

    @routes.post("/v1/contexts/<context_id>/rollback")
    def rollback(context_id: str) -> Response:
        wish = bodies.read(request, bodies.RollBack)
        return jsonify(context_body(contexts.rollback(context_id, wish.version, project_id=g.project_id)))

    return routes


def uploads(ports: Ports) -> Blueprint:
    """Where uploadUrl leads. The signature is the authorisation."""
    routes = Blueprint("context_uploads", __name__)

    @routes.put("/uploads/contexts/<project_id>/<context_id>")
    def upload(project_id: str, context_id: str) -> tuple[Response, int]:
        admit(ports, project_id, context_id, request.args)
        context = ports.contexts.get(context_id, project_id=project_id)
        reserved = ports.contexts.reserve(context_id, project_id=project_id)
        try:
            opened = ports.contexts.upload_key().opened(request.stream)
            ports.blobs.put(context.blob(reserved.number), opened, once=True)
            committed = ports.contexts.commit(context_id, reserved.number, project_id=project_id, based_on=context.head)
        except (BadUpload, NotForUs) as bad:
            raise Refusal(400, f"body must be an archive of a profile: {bad}") from None
        finally:
            ports.contexts.abandon(context_id, reserved.number, project_id=project_id)
        return jsonify(version_body(committed.version, committed.context)), 201

    return routes


def admit(ports: Ports, project_id: str, context_id: str, query: Mapping[str, str]) -> None:
    """Raises Refusal where the query is none that was made for an upload to this context."""
    expires, signature = query.get("expires", ""), query.get("signature", "")
    if not _signatures(ports).admits(f"{project_id}/{context_id}", method="PUT", expires=expires, signature=signature):
        raise Refusal(403, "the URL's signature is wrong or has expired; PUT /v1/contexts/{id} gives another")


def plan(wish: bodies.CreateSession, project: Project, ports: Ports) -> Mapping[str, Any]:
    """What the guest does with the context. Raises Refusal for one that is not there."""
    if (chosen := wish.browser_settings.context) is None:
        return {}
    try:
        ports.contexts.get(chosen.id, project_id=project.id)
    except NotFound as missing:
        raise Refusal(404, f"body/browserSettings/context/id: {missing}") from None
    return {"context": {"id": chosen.id, "persist": chosen.persist, "limit": ports.contexts.limit}}


def _signatures(ports: Ports) -> Signatures:
    return Signatures(ports.signer.secret("context uploads"))


def _upload_body(context: Context, ports: Ports) -> dict[str, Any]:
    place = f"{context.project_id}/{context.id}"
    query = _signatures(ports).query(place, method="PUT", seconds=UPLOAD_SECONDS)
    base = (ports.settings.api_url or request.host_url).rstrip("/")
    return {
        "id": context.id,
        "uploadUrl": f"{base}/uploads/contexts/{place}?{query}",
        "publicKey": ports.contexts.upload_key().public_pem,
        **CIPHER,
    }


def context_body(context: Context) -> dict[str, Any]:
    body = {
        "id": context.id,
        "createdAt": timestamp(context.created_at),
        "updatedAt": timestamp(context.updated_at),
        "projectId": context.project_id,
        "name": context.name,
        # Ours: the version that the next session begins with.
        "version": context.head,
    }
    return {name: value for name, value in body.items() if value is not None}


def version_body(version: Version, context: Context) -> dict[str, Any]:
    """This shape is ours."""
    body = {
        "version": version.number,
        "createdAt": timestamp(version.created_at),
        "size": version.size,
        "sha256": version.sha256,
        "head": version.number == context.head,
        "conflicted": version.conflicted,
        "basedOn": version.based_on,
        "sessionId": version.session_id,
    }
    return {name: value for name, value in body.items() if value is not None}
