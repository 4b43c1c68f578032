# One image for every process; compose.yaml names their commands.
FROM python:3.13-slim AS build
WORKDIR /srv
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.13-slim
RUN useradd --create-home stagedoor
WORKDIR /srv
COPY --from=build /venv /venv
COPY --chown=stagedoor . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
RUN SECRET_KEY=only-while-building python manage.py collectstatic --no-input
USER stagedoor
CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "--websocket_timeout", "-1", "--ping-interval", "20", "--http-timeout", "60", \
     "--no-server-name", "stagedoor.asgi:application"]
