namespace MlNetTransfer.Heads;

/// <summary>The kinds of heads.</summary>
public enum HeadKind
{
    /// <summary>The best of discriminant, ridge and softmax by cross-validation on the training part.</summary>
    Auto,

    /// <summary>Multinomial logistic regression.</summary>
    Softmax,

    /// <summary>Ridge regression on the classes' indicators.</summary>
    Ridge,

    /// <summary>Linear discriminant.</summary>
    Discriminant,

    /// <summary>Nearest class mean.</summary>
    Prototype,

    /// <summary>Nearest neighbours by cosine.</summary>
    Neighbours,

    /// <summary>Multi-layer perceptron with one hidden layer.</summary>
    Mlp,
}
