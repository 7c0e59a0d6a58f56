using System.CommandLine;
using System.CommandLine.Parsing;
using System.Numerics;

namespace MlNetTransfer.Cli;

/// <summary>
/// The flags and arguments of a command that set options. Each is said once: its name, what it means, and the property
/// that it sets, which alone knows the default and what it accepts.
/// </summary>
/// <param name="standard">The options without flags, with stand-ins for what is required.</param>
internal sealed class Flags<TOptions>(TOptions standard)
    where TOptions : class
{
    private readonly List<Func<ParseResult, TOptions, TOptions>> steps = [];

    /// <summary>The options that a command line gives.</summary>
    public TOptions Read(ParseResult parsed) => steps.Aggregate(standard, (options, step) => step(parsed, options));

    /// <summary>A number.</summary>
    public Option Number<T>(
        string name,
        string description,
        string help,
        Func<TOptions, T, TOptions> set,
        Func<TOptions, T?>? get = null
    )
        where T : struct, INumber<T>, IMinMaxValue<T> =>
        Add(
            name,
            description,
            help,
            text => FlagText.Number<T>(name, text, value => _ = set(standard, value)),
            set,
            get?.Invoke(standard)
        );

    /// <summary>One of a few names.</summary>
    public Option Choice<T>(
        string name,
        string description,
        Func<TOptions, T, TOptions> set,
        Func<TOptions, T?>? get = null
    )
        where T : struct, Enum
    {
        string[] names = [.. Enum.GetValues<T>().Select(value => FlagText.Of(value))];
        return Choice(
            name,
            description,
            names,
            text => Enum.Parse<T>(text, ignoreCase: true),
            set,
            get?.Invoke(standard)
        );
    }

    /// <summary>One of a registry's names.</summary>
    public Option Choice<T>(
        string name,
        string description,
        Registry<T> choices,
        Func<TOptions, T, TOptions> set,
        Func<TOptions, T> get
    )
        where T : class, INamed => Choice(name, description, [.. choices.Names], choices.Find, set, get(standard));

    /// <summary>Any text that the property takes.</summary>
    public Option Text(
        string name,
        string description,
        string help,
        Func<TOptions, string, TOptions> set,
        Func<TOptions, string?>? get = null
    ) => Add(name, description, help, text => text, set, get?.Invoke(standard));

    /// <summary>What has a written form of its own.</summary>
    /// <param name="name">Name of the flag.</param>
    /// <param name="description">What it means.</param>
    /// <param name="help">The form, in short.</param>
    /// <param name="parse">Reads it; a <see cref="FormatException"/> says what was expected.</param>
    /// <param name="set">Sets it.</param>
    public Option Written<T>(
        string name,
        string description,
        string help,
        Func<string, T> parse,
        Func<TOptions, T, TOptions> set
    )
        where T : notnull =>
        Add(
            name,
            description,
            help,
            text =>
            {
                try
                {
                    return parse(text);
                }
                catch (FormatException e)
                {
                    throw new FormatException($"{name}: {e.Message}", e);
                }
            },
            set,
            null
        );

    /// <summary>Is given or not.</summary>
    public Option Switch(string name, string description, Func<TOptions, TOptions> set)
    {
        var option = new Option<bool>(name) { Description = description };
        steps.Add((parsed, options) => parsed.GetValue(option) ? set(options) : options);
        return option;
    }

    /// <summary>Files and folders, patterns among them expanded; as often as wanted.</summary>
    public Option Files(
        string name,
        string description,
        string help,
        Func<TOptions, IReadOnlyList<string>, TOptions> set
    )
    {
        var option = new Option<string[]>(name)
        {
            Description = description,
            HelpName = help,
            AllowMultipleArgumentsPerToken = true,
        };
        steps.Add((parsed, options) => set(options, Patterns.Expand(parsed.GetValue(option) ?? [])));
        return option;
    }

    /// <summary>A text, given as often as wanted.</summary>
    public Option Repeated(
        string name,
        string description,
        string help,
        Func<TOptions, IReadOnlyList<string>, TOptions> set
    )
    {
        var option = new Option<string[]>(name) { Description = description, HelpName = help };
        steps.Add((parsed, options) => set(options, parsed.GetValue(option) ?? []));
        return option;
    }

    /// <summary>An argument.</summary>
    /// <param name="name">What it is called in the help.</param>
    /// <param name="description">What it means.</param>
    /// <param name="set">Sets it.</param>
    /// <param name="resolve">What stands for what was typed, looked up when the command runs; null for itself.</param>
    public Argument Argument(
        string name,
        string description,
        Func<TOptions, string, TOptions> set,
        Func<string, string>? resolve = null
    )
    {
        var argument = new Argument<string>(name) { Description = description };
        argument.CustomParser = result => (string?)Parsed(result, $"<{name}>", text => text, set);
        steps.Add(
            (parsed, options) =>
            {
                string typed = parsed.GetRequiredValue(argument);
                return set(options, resolve is null ? typed : resolve(typed));
            }
        );
        return argument;
    }

    /// <summary>Arguments that are files and folders, patterns among them expanded.</summary>
    /// <param name="name">What they are called in the help.</param>
    /// <param name="description">What they mean.</param>
    /// <param name="set">Sets them.</param>
    /// <param name="least">Fewest of them, 0 or 1.</param>
    public Argument Files(
        string name,
        string description,
        Func<TOptions, IReadOnlyList<string>, TOptions> set,
        int least = 1
    )
    {
        var argument = new Argument<string[]>(name)
        {
            Description = description,
            Arity = least == 0 ? ArgumentArity.ZeroOrMore : ArgumentArity.OneOrMore,
        };
        steps.Add((parsed, options) => set(options, Patterns.Expand(parsed.GetValue(argument) ?? [])));
        return argument;
    }

    /// <summary>Options within these options have flags of their own.</summary>
    public void Part<TPart>(Flags<TPart> flags, Func<TOptions, TPart, TOptions> set)
        where TPart : class => steps.Add((parsed, options) => set(options, flags.Read(parsed)));

    /// <summary>One of a few names, each with its meaning.</summary>
    public Option Choice<T>(
        string name,
        string description,
        IReadOnlyList<string> names,
        Func<string, T> find,
        Func<TOptions, T, TOptions> set,
        object? shown = null
    )
        where T : notnull =>
        Add(name, description, string.Join('|', names), text => find(FlagText.OneOf(name, text, names)), set, shown);

    private Option<object?> Add<T>(
        string name,
        string description,
        string help,
        Func<string, T> parse,
        Func<TOptions, T, TOptions> set,
        object? shown
    )
        where T : notnull
    {
        var option = new Option<object?>(name)
        {
            Description = description,
            HelpName = help,
            CustomParser = result => Parsed(result, name, parse, set),
        };
        if (shown is not null)
            option.DefaultValueFactory = _ => shown;
        steps.Add(
            (parsed, options) =>
                parsed.GetResult(option) is { Implicit: false } ? set(options, (T)parsed.GetValue(option)!) : options
        );
        return option;
    }

    /// <summary>The value of a text, once the property has accepted it; null, and an error, where not.</summary>
    private object? Parsed<T>(
        ArgumentResult result,
        string name,
        Func<string, T> parse,
        Func<TOptions, T, TOptions> set
    )
        where T : notnull
    {
        string text = result.Tokens[^1].Value;
        try
        {
            T value = parse(text);
            _ = set(standard, value);
            return value;
        }
        catch (OutOfRangeException e)
        {
            result.AddError($"{name} is {text}; it must be {FlagText.Range(e)}.");
        }
        catch (FormatException e)
        {
            result.AddError(e.Message);
        }
        catch (ArgumentException e)
        {
            result.AddError($"{name} is '{text}'; {FlagText.Reason(e)}");
        }

        return null;
    }
}
