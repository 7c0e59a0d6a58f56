# A server of models, without the weights of pretrained networks, which a trained model does not need:
#   docker build -f docs/deploy/serve.Dockerfile --build-arg SDK=… --build-arg RUNTIME=… -t mlnet-transfer-serve .
#   docker run -p 8080:8080 -v /models:/models:ro mlnet-transfer-serve clipart=/models/clipart/model.onnx
# SDK and RUNTIME are Microsoft's images of the .NET 10 SDK and of ASP.NET Core 10.
ARG SDK
ARG RUNTIME
FROM ${SDK} AS build
WORKDIR /source
COPY . .
RUN dotnet publish src/MlNetTransfer.Cli -c Release -p:WithBackbones=false -o /app \
    && find /app/runtimes -mindepth 1 -maxdepth 1 ! -name "linux*" -exec rm -r {} +

FROM ${RUNTIME}
COPY --from=build /app /app
# Not root; nothing is written but to the cache, which serving does not need.
USER 1654
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["dotnet", "/app/mlnet-transfer.dll", "serve", "--listen", "0.0.0.0:8080", "--drain", "5s"]
