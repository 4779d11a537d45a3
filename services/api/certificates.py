"""/v1/certificates, and what a create that names some asks of the guest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from services.api import bodies
from services.api.answers import Refusal, timestamp
from services.api.limits import CERTIFICATE_LIMIT
from wallcrawler.certificate import Certificate, NotACertificate, examine
from wallcrawler.errors import NotFound
from wallcrawler.project import Project
from wallcrawler.wiring import Ports

#: Characters of PEM that one session may be given: DynamoDB keeps no item of more than 400 KB.
SESSION_LIMIT = 128 << 10

FIELD = "body/proxySettings/caCertificates"


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("certificates", __name__)

    @routes.post("/v1/certificates")
    def create() -> Response:
        file = bodies.multipart_file(request, limit=CERTIFICATE_LIMIT)
        try:
            pem = examine(file.body.read(), now=ports.clock.now())
        except NotACertificate as wrong:
            raise Refusal(400, f"body/file {wrong}") from None
        return jsonify(certificate_body(ports.certificates.add(g.project_id, pem)))

    @routes.get("/v1/certificates")
    def list_certificates() -> Response:
        return jsonify([certificate_body(one) for one in ports.certificates.of_project(g.project_id)])

    @routes.get("/v1/certificates/<certificate_id>")
    def retrieve(certificate_id: str) -> Response:
        return jsonify(certificate_body(ports.certificates.get(g.project_id, certificate_id)))

    @routes.delete("/v1/certificates/<certificate_id>")
    def delete(certificate_id: str) -> Response:
        ports.certificates.delete(g.project_id, certificate_id)
        return Response(status=204)

    return routes


def certificate_body(certificate: Certificate) -> dict[str, Any]:
    return {
        "id": certificate.id,
        "createdAt": timestamp(certificate.created_at),
        "updatedAt": timestamp(certificate.updated_at),
        "projectId": certificate.project_id,
    }


def plan(wish: bodies.CreateSession, project: Project, ports: Ports) -> Mapping[str, Any]:
    """What the guest's Chrome trusts besides. It is in the plan whole, so that a session has what it was created with,
    whatever is deleted meanwhile. Raises Refusal for one that is not there."""
    named = wish.proxy_settings.ca_certificates if wish.proxy_settings else []
    pem = ""
    for place, certificate_id in enumerate(named):
        if certificate_id in named[:place]:
            continue
        try:
            pem += ports.certificates.get(project.id, certificate_id).pem
        except NotFound as missing:
            raise Refusal(400, f"{FIELD}/{place} must be the id of a certificate of this project: {missing}") from None
        if len(pem) > SESSION_LIMIT:
            raise Refusal(400, f"{FIELD} must come to at most {SESSION_LIMIT} characters of PEM")
    return {"certificates": {"pem": pem}} if pem else {}
