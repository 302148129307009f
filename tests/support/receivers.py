"""What takes mails and webhooks outside of a mesh."""

import email
import email.policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from support.https import HttpsServer

LOGIN = (b"shop", b"correct horse battery")


class MailServer:
    """Asks for TLS and for a login, then takes mails, unless `answers` has something else to say to an address."""

    def __init__(self, port, context):
        self.mails = []
        # Address -> what to answer to RCPT, one after the other; then it is taken.
        self.answers = {}
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=port,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=lambda server, session, envelope, mechanism, data: AuthResult(
                success=(data.login, data.password) == LOGIN
            ),
        )
        self._controller.start()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.answers.get(address):
            return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((envelope.rcpt_tos, message, session.ssl is not None))
        return "250 OK"

    def to(self, address):
        return [message for recipients, message, _ in self.mails if recipients == [address]]

    def stop(self):
        self._controller.stop()


class Receiver:
    """Of webhooks. Keeps all that is posted, and answers what `answer(path, count)` says; `count` is how many were posted
    to that path before."""

    def __init__(self, context):
        self.posts = []
        self.answer = lambda path, count: 204
        self._server = HttpsServer(context, self._handle)
        self.url = self._server.url
        self.stop = self._server.stop

    def _handle(self, path, headers, body):
        count = len(self.at(path))
        self.posts.append((path, headers, body))
        return self.answer(path, count), b""

    def at(self, path):
        return [(headers, body) for posted, headers, body in self.posts if posted == path]
