using MlNetTransfer.Tests.Shared;
using YamlDotNet.RepresentationModel;

namespace MlNetTransfer.Tests.Readme;

/// <summary>The files of docs/deploy: each is YAML, and says what the guide promises of it.</summary>
[TestClass]
public sealed class DeployTests
{
    [TestMethod]
    public void Deploy_EveryFile_IsOneYamlDocumentOfAKnownKind()
    {
        string[] files = Directory.GetFiles(Repository.At("docs/deploy"), "*.yaml", SearchOption.AllDirectories);
        Assert.HasCount(3, files);
        foreach (string file in files)
        {
            YamlMappingNode root = Read(file);
            Assert.IsTrue(root.Children.ContainsKey("services") || root.Children.ContainsKey("kind"), file);
        }
    }

    [TestMethod]
    public void ScoreJob_Parts_AreThoseOfTheIndex()
    {
        YamlMappingNode job = Read(Repository.At("docs/deploy/kubernetes/score-job.yaml"));
        Assert.AreEqual("batch/v1 Job", $"{At(job, "apiVersion")} {At(job, "kind")}");
        YamlNode spec = At(job, "spec");
        Assert.AreEqual("Indexed", Text(spec, "completionMode"));
        string count = Text(spec, "completions");
        // A limit of tries for each index needs pods that are not started again in place.
        Assert.AreEqual("3", Text(spec, "backoffLimitPerIndex"));
        Assert.AreEqual("Never", Text(At(spec, "template", "spec"), "restartPolicy"));
        string command = Container(spec)["args"][0].ToString();
        Assert.Contains($"--shard $((JOB_COMPLETION_INDEX+1))/{count} ", command);
        Assert.Contains("|| [ $? -eq 3 ]", command);
        RequireSecret(Container(spec));
        RequireMounts(spec);
    }

    [TestMethod]
    public void Workers_AreEndedInGoodOrderAndHaveTheirName()
    {
        YamlMappingNode deployment = Read(Repository.At("docs/deploy/kubernetes/workers.yaml"));
        Assert.AreEqual("apps/v1 Deployment", $"{At(deployment, "apiVersion")} {At(deployment, "kind")}");
        YamlNode spec = At(deployment, "spec");
        Assert.AreEqual(
            Text(At(spec, "selector", "matchLabels"), "app"),
            Text(At(spec, "template", "metadata", "labels"), "app")
        );
        // A worker takes 25 s at most to give back what it has.
        Assert.IsGreaterThan(25, int.Parse(Text(At(spec, "template", "spec"), "terminationGracePeriodSeconds")));
        YamlNode container = Container(spec);
        Assert.AreEqual("mlnet-transfer worker", string.Join(' ', (YamlSequenceNode)container["command"]));
        string[] arguments = [.. ((YamlSequenceNode)container["args"]).Select(node => node.ToString())];
        Assert.StartsWith("postgres://", arguments[Array.IndexOf(arguments, "--store") + 1]);
        Assert.Contains("$(POD_NAME)", arguments);
        RequireSecret(container);
        RequireMounts(spec);
    }

    [TestMethod]
    public void Compose_WorkersWaitForTheStore()
    {
        YamlMappingNode compose = Read(Repository.At("docs/deploy/compose.yaml"));
        YamlNode worker = At(compose, "services", "worker");
        Assert.AreEqual("service_healthy", Text(At(worker, "depends_on", "postgres"), "condition"));
        Assert.AreEqual("60s", Text(worker, "stop_grace_period"));
        Assert.Contains("pg_isready", At(compose, "services", "postgres", "healthcheck", "test").ToString());
        YamlNode postgres = At(compose, "services", "postgres", "environment");
        Assert.Contains(
            $"postgres://{Text(postgres, "POSTGRES_USER")}@postgres/{Text(postgres, "POSTGRES_DB")}",
            At(worker, "command").ToString()
        );
    }

    private static YamlMappingNode Read(string file)
    {
        var stream = new YamlStream();
        using StreamReader reader = File.OpenText(file);
        stream.Load(reader);
        Assert.HasCount(1, stream.Documents, file);
        return (YamlMappingNode)stream.Documents[0].RootNode;
    }

    private static YamlNode At(YamlNode node, params string[] path) =>
        path.Aggregate(node, (inner, name) => inner[name]);

    private static string Text(YamlNode node, string name) => ((YamlScalarNode)node[name]).Value!;

    private static YamlNode Container(YamlNode spec) => At(spec, "template", "spec", "containers")[0];

    private static void RequireSecret(YamlNode container)
    {
        YamlNode password = ((YamlSequenceNode)container["env"]).Single(e => Text(e, "name") == "PGPASSWORD");
        Assert.AreEqual("scorer", Text(At(password, "valueFrom", "secretKeyRef"), "name"));
    }

    /// <summary>Each mount has its volume.</summary>
    private static void RequireMounts(YamlNode spec)
    {
        string[] volumes = Names(At(spec, "template", "spec", "volumes")),
            mounts = Names(Container(spec)["volumeMounts"]);
        CollectionAssert.AreEquivalent(volumes, mounts);

        static string[] Names(YamlNode list) => [.. ((YamlSequenceNode)list).Select(node => Text(node, "name"))];
    }
}
