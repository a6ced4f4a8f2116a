namespace Mesh.Rules.Snapshots;

/// <summary>The id that calls to an upstream carry.</summary>
/// <param name="Header">Field that carries it.</param>
/// <param name="Format">Form of the id; <see cref="TransactionIdFormat"/> can read it.</param>
/// <param name="Source">Rule and path, <c>default/partner#spec.transactionId</c>.</param>
public sealed record TransactionIdConfig(string Header, string Format = TransactionIdFormat.Default, string? Source = null);
