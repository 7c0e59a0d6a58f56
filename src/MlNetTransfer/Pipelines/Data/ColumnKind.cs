namespace MlNetTransfer.Pipelines;

/// <summary>What the values of a column are.</summary>
public enum ColumnKind
{
    /// <summary>A <see cref="string"/>, or null.</summary>
    Text,

    /// <summary>An encoded image as an array of <see cref="byte"/>, or null.</summary>
    Bytes,

    /// <summary>A <see cref="Func{TResult}"/> that opens a <see cref="System.IO.Stream"/>, or null.</summary>
    Stream,

    /// <summary>An image: <see cref="Datasets.ImageItem"/>, which says where it is or holds its pixels; or null.</summary>
    Image,

    /// <summary>A class as <see cref="int"/>: an index into the column's class names; -1 where it is missing.</summary>
    Key,

    /// <summary>A <see cref="float"/>.</summary>
    Number,

    /// <summary>As many <see cref="float"/> per row as the column's shape says.</summary>
    Vector,
}
