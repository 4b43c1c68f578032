"""The one settings file. Machines differ by their environment, never by file: see `.env.example`."""

from pathlib import Path

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from stagedoor import embedded, logs

django_stubs_ext.monkeypatch()  # so that generic forms and admins name their model

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or embedded.development_secret(
    VAR_DIR, "secret-key", debug=DEBUG
)
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. To develop: cp .env.example .env")
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "daphne",
    "stagedoor",
    "accounts",
    "payments",
    "clubs",
    "ticketing",
    "rooms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.forms",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "channels",
]

MIDDLEWARE = [
    "stagedoor.edge.security_headers",
    "stagedoor.edge.only_known_methods",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "stagedoor.edge.kept_by_nobody",
    "stagedoor.edge.compressed",
    "stagedoor.middleware.request_logging",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "stagedoor.middleware.viewer_timezone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "stagedoor.middleware.signed_out_meanwhile",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]
if DEBUG:
    MIDDLEWARE.append("stagedoor.middleware.OwnNotFound")  # the last, so that it sees what views raise first

ROOT_URLCONF = "stagedoor.urls"
ASGI_APPLICATION = "stagedoor.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # so that templates/django/forms is seen

# PostgreSQL and Redis: servers named by the environment, else the embedded ones.
DATABASES = {
    "default": env.db_url_config(env.str("DATABASE_URL", default="") or embedded.database_url(VAR_DIR))
}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=0)
# The web: a thread for each request in the house, and a connection for each thread and for the sockets.
# Whoever finds none free waits for one. Every other process has one thread that asks, and one connection.
IS_WEB = env.str("STAGEDOOR_PROCESS", default="") == "web"
WEB_THREADS = env.int("WEB_THREADS", default=24)
WEB_CONNECTIONS = WEB_THREADS + 4
MOST_SOCKETS = env.int("MOST_SOCKETS", default=5_000)  # open at once, in each web process
MOST_SOCKETS_PER_ADDRESS = env.int("MOST_SOCKETS_PER_ADDRESS", default=500)  # a school is one address
if IS_WEB:
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "pool": {"min_size": 2, "max_size": WEB_CONNECTIONS, "timeout": 60},
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.str("REDIS_URL", default="") or embedded.redis_url(VAR_DIR)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "stagedoor"},
    }
}

# Work that a row asks for and Celery wakes up. Late acknowledgement: a worker that dies gives the task back.
# Celery spells a Unix socket in its own way.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 900}

# People.
AUTH_USER_MODEL = "accounts.User"
# An address is unique in any case: an_address_is_taken_once_in_any_case, which the check cannot read.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_REDIRECT_URL = "home"
LOGIN_URL = "account_login"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = "handle"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1"]  # without a password people sign in by code
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "request_login_code": "accounts.forms.RequestLoginCodeForm",
    "confirm_login_code": "accounts.forms.ConfirmLoginCodeForm",
    "confirm_email_verification_code": "accounts.forms.ConfirmEmailVerificationCodeForm",
    "add_email": "accounts.forms.AddEmailForm",
    "change_email": "accounts.forms.ChangeEmailForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
}
ACCOUNT_CHANGE_EMAIL = True  # one address per person; a new one takes over once it is confirmed
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_SESSION_REMEMBER = True
# Rate limits count by address: behind a proxy the address is what the proxy saw.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if env.bool("BEHIND_PROXY", default=False) else 0
# Per network, and per network and account together (`key`: accounts.limits), never per account alone.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,60/h/ip,5/5m/key",
    "reset_password": "20/m/ip",  # and accounts.limits, for each letter that is asked for
    "request_login_code": "20/m/ip",  # the same
    "confirm_email": "10/m/ip",  # the same, and three new codes for each sign-up
}
ACCOUNT_PRESERVE_USERNAME_CASING = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = 3
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = 3
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if BASE_URL.startswith("https") else "http"
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_FORMS = {
    "authenticate": "accounts.forms.FactorForm",
    "reauthenticate": "accounts.forms.FactorAgainForm",
    "activate_totp": "accounts.forms.ActivateAppForm",
    "add_webauthn": "accounts.forms.AddPasskeyForm",
    "authenticate_webauthn": "accounts.forms.PasskeyForm",
    "edit_webauthn": "accounts.forms.RenamePasskeyForm",
    "login_webauthn": "accounts.forms.PasskeyLoginForm",
    "reauthenticate_webauthn": "accounts.forms.PasskeyAgainForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1  # a code of the half minute before or after: clocks differ, and people type
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG  # passkeys on http://localhost while developing
USERSESSIONS_TRACK_ACTIVITY = True
USERSESSIONS_ADAPTER = "accounts.adapter.SessionsAdapter"

# Letters. SMTP by environment; development writes them to files under var/mail, where `make run` shows them.
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="filemail://" if DEBUG else "smtp://localhost:25")
vars().update(EMAIL_CONFIG)
EMAIL_FILE_PATH = str(VAR_DIR / "mail")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Stagedoor <door@stagedoor.localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Money.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="")  # only the stand-in for development has one
if DEBUG and not STRIPE_SECRET_KEY:
    STRIPE_SECRET_KEY = "sk_test_" + embedded.development_secret(VAR_DIR, "stripe-key", debug=DEBUG)
    STRIPE_WEBHOOK_SECRETS = ["whsec_" + embedded.development_secret(VAR_DIR, "webhook-secret", debug=DEBUG)]
    STRIPE_API_BASE = STRIPE_API_BASE or "http://127.0.0.1:8012"
# The web asks Stripe once, and soon says that it does not answer: the row is there, and a worker asks again.
# Only some of its threads may wait for Stripe, so that a Stripe that hangs stops no other page.
STRIPE_SECONDS = 6.0 if IS_WEB else 15.0
STRIPE_FURTHER_ATTEMPTS = 0 if IS_WEB else 2
STRIPE_AT_ONCE = max(2, WEB_THREADS // 3) if IS_WEB else 1_000
PLATFORM_FEE_BASIS_POINTS = env.int("PLATFORM_FEE_BASIS_POINTS", default=800)
HOLDING_DAYS = env.int("HOLDING_DAYS", default=7)
HOLD_MINUTES = env.int("HOLD_MINUTES", default=10)
TWO_REVIEWERS_ABOVE: dict[str, int] = {  # minor units: about two thousand euros each
    "EUR": 200_000,
    "USD": 200_000,
    "GBP": 170_000,
    "CHF": 190_000,
    "SEK": 2_200_000,
    "NOK": 2_300_000,
    "DKK": 1_500_000,
    "PLN": 850_000,
    "JPY": 330_000,
} | env.dict("TWO_REVIEWERS_ABOVE", cast={"value": int}, default={})

# Sound.
# What browsers may use to reach us; the server itself needs none. Credentials for TURN count for minutes.
ICE_SERVERS = env.list("ICE_SERVERS", default=[])
TURN_URLS = env.list("TURN_URLS", default=[])
TURN_SECRET = env.str("TURN_SECRET", default="")
TURN_SECONDS = min(env.int("TURN_SECONDS", default=600), 600)
MEDIA_BIND_IP = env.str("MEDIA_BIND_IP", default="")  # empty: every address of the machine
ROOM_CAPACITY = env.int("ROOM_CAPACITY", default=2_000)

# Words and clocks. Everything is kept in UTC and shown in the event's or the viewer's zone.
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_ROOT = BASE_DIR / "root"  # what browsers and robots ask for at /, like /favicon.ico
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# Safety. What production needs is switched by the one question whether people come in by https.
SECURE = BASE_URL.startswith("https")
SECURE_SSL_REDIRECT = SECURE
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
)
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
# With https no other host of the same domain can set these cookies (RFC 6265bis, 4.1.3.2).
COOKIE_PREFIX = "__Host-" if SECURE else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}language"
LANGUAGE_COOKIE_SECURE = SECURE
LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# A form of ours is some kilobytes, a webhook some dozens; files are counted apart. docs/operations.md has
# the proxy refuse what is larger before it comes here.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
DATA_UPLOAD_MAX_NUMBER_FILES = 10

LOGGING = logs.config(level=env.str("LOG_LEVEL", default="INFO"), as_json=not DEBUG)
