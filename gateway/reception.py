"""Who is asking, for whom, and which model: what the door needs to know before it opens."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Final

from gateway.errors import KeysUnavailable, Unauthenticated, UnusableModelName
from gateway.exchange import Exchange
from gateway.in_force import InForce
from gateway.keys import Caller
from gateway.openai.request import ModelRequest
from gateway.openai.walk import rewrite
from gateway.parts import GatewayParts
from gateway.records import About
from gateway.upstream.ports import Json, UpstreamError
from guard.verdict import Action
from haechi.base.errors import HaechiError, UnusableKeyStore
from haechi.base.ids import ConversationId, RequestId, UserId

logger = logging.getLogger("haechi.gateway")

DEFAULT_MODEL: Final = "default"
_CONVERSATION: Final = re.compile(r"[\x20-\x7e]{1,200}")
_LONGEST_ID: Final = 512


class Reception:
    """Keys, ids and model names."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts
        self._default = parts.default_model

    def authenticate(self, exchange: Exchange) -> Caller:
        """Who holds the key in `Authorization: Bearer`.

        Raises:
            Unauthenticated: no key, or one that nobody holds. KeysUnavailable: the store cannot be read.
        """
        scheme, _, secret = exchange.header(b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated("no API key", hint="send it as  Authorization: Bearer KEY")
        try:
            caller = self._parts.keys.authenticate(secret.strip())
        except UnusableKeyStore as error:
            logger.exception("the key store cannot be read (%s)", error.code)
            raise KeysUnavailable("API keys cannot be checked now") from error
        if caller is None:
            raise Unauthenticated(
                "this API key is not valid", hint="haechi key create makes one, haechi key list shows them"
            )
        return caller

    async def resolve_model(self, request: ModelRequest, policy: InForce) -> ModelRequest:
        """The request with `default` replaced by the model it stands for.

        Raises:
            UnusableModelName: a name in which the guard sees something. UpstreamError: the list could not be had.
        """
        name = await self.model(request.model, policy)
        if name == request.model:
            return request
        return replace(request, model=name, body={**request.body, "model": name})

    async def model(self, name: str, policy: InForce) -> str:
        """The upstream's own name of a model. It stands in records in the clear, so the guard reads it."""
        if name == DEFAULT_MODEL:
            return self._default or await self._first_model()
        if name not in policy.known:
            if any(verdict.action is not Action.ALLOW for verdict in policy.input.word(name).verdicts):
                raise UnusableModelName(
                    "no model has such a name", hint="GET /v1/models lists the models", param="model"
                )
            policy.known.add(name)
        return name

    async def _first_model(self) -> str:
        listed = await self._parts.upstream.models()
        first = listed[0].get("id") if listed else None
        if not isinstance(first, str):
            raise UnusableModelName("the upstream lists no model", hint="name one with --model", param="model")
        self._default = first
        return first

    def about(self, request: RequestId, caller: Caller, asked: ModelRequest, exchange: Exchange, act: str) -> About:
        """The ids that go with the request from here on."""
        return About(
            request=request,
            tenant=caller.tenant,
            key_id=caller.key_id,
            user=UserId(asked.user[:_LONGEST_ID]),
            conversation=conversation_of(exchange, asked.conversation, request),
            act=act,
            model=asked.model,
        )

    def clean(self, error: HaechiError, policy: InForce) -> HaechiError:
        """The error with an upstream's own text read by the guard: an error can quote the prompt, or a key."""
        if not isinstance(error, UpstreamError) or error.body is None:
            return error
        found = False

        def leaf(path: object, text: str) -> str:
            nonlocal found
            checked = policy.output.plain(text)
            found = found or checked.blocked
            return checked.text

        body: Json = rewrite(error.body, leaf)
        return UpstreamError(error.message, hint=error.hint, status=error.status, body=None if found else body)


def conversation_of(exchange: Exchange, from_body: str, request: RequestId) -> ConversationId:
    """The client's id of the conversation: header, then body, else one of our own, as random as the request's."""
    given = exchange.header(b"x-haechi-conversation") or from_body[:_LONGEST_ID]
    if given and _CONVERSATION.fullmatch(given):
        return ConversationId(given)
    return made_up_conversation(request)


def made_up_conversation(request: RequestId) -> ConversationId:
    """The conversation of a request whose client named none."""
    return ConversationId("conv_" + request.removeprefix("req_"))
