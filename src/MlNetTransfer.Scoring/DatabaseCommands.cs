using System.Data.Common;

namespace MlNetTransfer.Scoring;

/// <summary>Commands within a transaction.</summary>
internal static class DatabaseCommands
{
    /// <summary>Makes a command.</summary>
    /// <param name="transaction">The transaction.</param>
    /// <param name="text">SQL.</param>
    /// <param name="parameters">Names, with @, and values; null is NULL.</param>
    public static DbCommand Command(
        this DbTransaction transaction,
        string text,
        params (string Name, object? Value)[] parameters
    )
    {
        DbCommand command = transaction.Connection!.CreateCommand();
        (command.CommandText, command.Transaction) = (text, transaction);
        foreach ((string name, object? value) in parameters)
        {
            DbParameter parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value ?? DBNull.Value);
            command.Parameters.Add(parameter);
        }

        return command;
    }

    /// <summary>Runs a command; returns how many rows it changed.</summary>
    /// <inheritdoc cref="Command"/>
    public static int Execute(
        this DbTransaction transaction,
        string text,
        params (string Name, object? Value)[] parameters
    )
    {
        using DbCommand command = transaction.Command(text, parameters);
        return command.ExecuteNonQuery();
    }
}
