"""Certificates in words: for whom one is, until when, and what is wrong with one that is not trusted."""

from __future__ import annotations

import ssl
from datetime import datetime

from pbshell.net.certificates import Certificate
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible

__all__ = ["days_left", "mistrust", "told"]

#: OpenSSL's numbers for what is wrong with a certificate
_EXPIRED, _TOO_EARLY, _HOSTS, _UNKNOWN = (10,), (9,), (62, 64), (2, 18, 19, 20, 21)
#: names that are told, and days that are counted
_NAMES, _SOON = 3, 100


def told(certificate: Certificate, now: datetime) -> str:
    """Who it is for, who signed it, and until when it is good."""
    signed = "by itself" if certificate.is_self_signed else f"by {certificate.issuer or 'nobody named'}"
    return f"for {whom(certificate)}, signed {signed}, {_until(certificate, now)}"


def whom(certificate: Certificate) -> str:
    """The hosts it is for."""
    names = certificate.names or ((certificate.subject,) if certificate.subject else ())
    if not names:
        return "nobody named"
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def days_left(certificate: Certificate, now: datetime) -> int:
    """Days until it is no longer good; negative if it is not."""
    return (certificate.ends - now).days


def _until(certificate: Certificate, now: datetime) -> str:
    if now < certificate.begins:
        return f"not valid before {certificate.begins:%Y-%m-%d}"
    if now > certificate.ends:
        return f"expired on {certificate.ends:%Y-%m-%d}"
    left = days_left(certificate, now)
    soon = f" ({counted(left, 'day')})" if left < _SOON else ""
    return f"valid until {certificate.ends:%Y-%m-%d}{soon}"


def mistrust(error: ssl.SSLCertVerificationError, certificate: Certificate | None, host: str) -> tuple[str, str]:
    """Why the certificate of *host* is not trusted, and what to do."""
    code, host = getattr(error, "verify_code", 0), visible(host, 100)
    if code in _HOSTS:
        names = whom(certificate) if certificate else "another host"
        name = next(iter(certificate.names), "") if certificate else ""
        hint = f"connect to that name, or say that it is meant: --tls-name {name or 'HOST'}"
        return f"the certificate is for {names}, and not for {host}", hint
    if code in _EXPIRED:
        return "the certificate has expired", "renew it on the server; or is the clock of this machine wrong?"
    if code in _TOO_EARLY:
        return "the certificate is not valid yet", "is the clock of this machine wrong?"
    if code in _UNKNOWN:
        itself = certificate is not None and certificate.is_self_signed
        text = "signed by itself" if itself else "signed by somebody whom this machine does not know"
        which = "the certificate itself" if itself else "the certificate of who signed it"
        return f"the certificate is {text}", f"if it is the right one, name {which}: --tls-ca FILE"
    reason = visible(str(getattr(error, "verify_message", "") or error), 200)
    return f"the certificate is not trusted: {reason}", "name who signed it: --tls-ca FILE"
