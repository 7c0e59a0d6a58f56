using System.CommandLine;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class FlagsTests
{
    [TestMethod]
    public void Read_NothingGiven_GivesTheDefaultsOfTheProperties() => Assert.AreEqual(new Brew(), Read("brew"));

    [TestMethod]
    public void Read_Given_SetsEachPropertyOnce() =>
        Assert.AreEqual(
            new Brew
            {
                Cups = 3,
                Strength = 0.25,
                Roast = Roast.Dark,
                Milk = true,
                Kettle = new Kettle { Degrees = 80 },
            },
            Read("brew --cups 3 --strength 2.5e-1 --roast DARK --milk --degrees 80")
        );

    [TestMethod]
    public void Read_TheDefaultItself_IsTakenToo() =>
        Assert.AreEqual(new Brew(), Read("brew --cups 2 --roast light --degrees 95"));

    [TestMethod]
    [DataRow("brew --cups 13", "--cups is 13; it must be from 1 to 12.")]
    [DataRow("brew --cups 1e1", "--cups is '1e1'; it must be a whole number from 1 to 12.")]
    [DataRow("brew --strength 0,5", "--strength is '0,5'; write 0.5: decimals follow a point")]
    [DataRow("brew --strength thin", "--strength is 'thin'; it must be a number from 0 to 1.")]
    [DataRow("brew --degrees warm", "--degrees is 'warm'; it must be a whole number from -2147483648 to 2147483647.")]
    [DataRow("brew --degrees 101", "--degrees is '101'; it must be below boiling.")]
    [DataRow("brew --roast dar", "--roast is 'dar'; it must be one of light, dark. Did you mean 'dark'?")]
    public void Parse_WhatThePropertyRefuses_IsAnErrorInItsWords(string line, string expected) =>
        StringAssert.StartsWith(Command(out _).Parse(line).Errors.Single().Message, expected);

    private static Brew Read(string line)
    {
        ParseResult parsed = Command(out Flags<Brew> flags).Parse(line);
        Assert.IsEmpty(parsed.Errors);
        return flags.Read(parsed);
    }

    private static RootCommand Command(out Flags<Brew> flags)
    {
        flags = new Flags<Brew>(new Brew());
        var kettle = new Flags<Kettle>(new Kettle());
        flags.Part(kettle, (o, part) => o with { Kettle = part });
        return
        [
            new Command("brew")
            {
                flags.Number<int>("--cups", "", "n", (o, cups) => o with { Cups = cups }, o => o.Cups),
                flags.Number<double>("--strength", "", "n", (o, share) => o with { Strength = share }),
                flags.Choice<Roast>("--roast", "", (o, roast) => o with { Roast = roast }, o => o.Roast),
                flags.Switch("--milk", "", o => o with { Milk = true }),
                kettle.Number<int>("--degrees", "", "n", (o, degrees) => o with { Degrees = degrees }),
            },
        ];
    }

    private enum Roast
    {
        Light,
        Dark,
    }

    private sealed record Brew
    {
        public int Cups
        {
            get;
            init => field = value is >= 1 and <= 12 ? value : throw new OutOfRangeException(nameof(Cups), value, 1, 12);
        } = 2;

        public double? Strength
        {
            get;
            init =>
                field = value is null or >= 0 and <= 1
                    ? value
                    : throw new OutOfRangeException(nameof(Strength), value.Value, 0.0, 1.0);
        }

        public Roast Roast { get; init; }

        public bool Milk { get; init; }

        public Kettle Kettle { get; init; } = new();
    }

    private sealed record Kettle
    {
        public int Degrees
        {
            get;
            init =>
                field =
                    value <= 100
                        ? value
                        : throw new ArgumentException("Degrees must be below boiling.", nameof(Degrees));
        } = 95;
    }
}
