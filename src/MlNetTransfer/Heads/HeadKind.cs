namespace MlNetTransfer.Heads;

/// <summary>The kinds of heads.</summary>
public enum HeadKind
{
    /// <summary>The best of discriminant, ridge, softmax and kernel by cross-validation on the training part.</summary>
    Auto,

    /// <summary>Multinomial logistic regression.</summary>
    Softmax,

    /// <summary>Ridge regression on the classes' indicators.</summary>
    Ridge,

    /// <summary>Linear discriminant.</summary>
    Discriminant,

    /// <summary>
    /// Kernel ridge regression with a Gaussian kernel on the root of the features; keeps its training rows.
    /// </summary>
    Kernel,

    /// <summary>Nearest class mean.</summary>
    Prototype,

    /// <summary>Nearest neighbours by cosine.</summary>
    Neighbours,

    /// <summary>Multi-layer perceptron with one hidden layer.</summary>
    Mlp,
}
